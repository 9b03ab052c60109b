/** What must hold on a host when no operation is under way, whatever died before. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { eventually, succeeded } from '../support/operations.ts';
import { processesOf } from '../support/processes.ts';
import { closeReaders, layersWhole } from './backup-scenarios.ts';
import { checkpointsWhole } from './checkpoint-scenarios.ts';
import { repositoriesWhole, type SessionsLeft } from './repository-scenarios.ts';
import { takenOutWhole } from './restore-scenarios.ts';
import { volumesWhole } from './volume-scenarios.ts';

/** Leaves a host without VMs and images. */
export async function removeEverything(client: Client): Promise<void> {
  for (const { id, state } of (await client.vm.list({})).items) {
    if (state !== 'off' && state !== 'saved') await succeeded(client, client.vm.stop(id));
    await succeeded(client, client.vm.delete(id, { ifMatch: '*' }));
  }
  for (const { name, local } of (await client.volume.list({})).items) {
    if (!local) await succeeded(client, client.volume.remove(name));
  }
  for (const { id } of (await client.repository.list({})).items) {
    await succeeded(client, client.repository.remove(id));
  }
  for (const { id } of (await client.image.list({})).items) {
    await succeeded(client, client.image.delete(id));
  }
}

/** Waits until every operation has ended: finished, or undone. A merge of layers that somebody reads waits for him. */
export async function allEnded(client: Client): Promise<void> {
  await eventually(
    'every operation has ended',
    async () => {
      const { items } = await client.operation.list({});
      const underWay = items.filter(({ finishedAt }) => finishedAt === null);
      const onlyMerges = underWay.length > 0 && underWay.every(({ kind }) => kind === 'vm.merge');
      return onlyMerges && (await somebodyReads(client)) ? [] : underWay;
    },
    (underWay) => underWay.length === 0,
  );
}

async function somebodyReads(client: Client): Promise<boolean> {
  for (const { id } of (await client.vm.list({})).items) {
    if ((await client.changes.list(id, {})).items.length > 0) return true;
  }
  return false;
}

/** No operation waits for an administrator. */
export async function noneStuck(client: Client): Promise<void> {
  const { items } = await client.operation.list({});
  assert.deepEqual(
    items.filter(({ state }) => state === 'stuck'),
    [],
  );
}

/** No process, file or record without its VM, and none missing. @param sessions see `repositoriesWhole` */
export async function nothingLeftOver(
  client: Client,
  data: string,
  daemonPid: number,
  sessions: SessionsLeft = 'none',
): Promise<void> {
  await closeReaders(client);
  const vms = (await client.vm.list({})).items;
  const running = vms.flatMap(({ pid }) => (pid === null ? [] : [pid]));
  const processes = processesOf(data).filter((pid) => pid !== daemonPid);
  assert.deepEqual(
    processes.sort(),
    running.sort(),
    'each QEMU belongs to a VM, and each VM that runs has one',
  );
  const ids = vms.map(({ id }) => id).sort();
  assert.deepEqual(readdirSync(join(data, 'vms')).sort(), ids, 'a folder for each VM, and no other');
  const images = (await client.image.list({})).items.map(({ id }) => id).sort();
  assert.deepEqual(readdirSync(join(data, 'images')).sort(), images, 'a folder for each image, and no other');
  const runFolders = vms.filter(({ pid }) => pid !== null).map(({ id }) => id);
  assert.deepEqual(readdirSync(join(data, 'run')).sort(), runFolders.sort(), 'sockets of VMs that run');
  await volumesWhole(client, data);
  await repositoriesWhole(client, data, sessions);
  takenOutWhole(data);
  for (const { id, generation, state } of vms) {
    const folder = join(data, 'vms', id);
    const file = VmSettings.parse(JSON.parse(readFileSync(join(folder, 'vm.json'), 'utf8')));
    assert.equal(file.generation, generation, 'the settings file is that of the store');
    await checkpointsWhole(client, data, id);
    await layersWhole(client, data, id);
    const saved = readdirSync(folder).filter((name) => name.startsWith('saved-memory'));
    assert.deepEqual(saved, state === 'saved' ? ['saved-memory'] : [], 'memory of a saved VM, and no other');
  }
}
