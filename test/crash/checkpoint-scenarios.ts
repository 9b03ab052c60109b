/** Checkpoints of a machine that runs its firmware, and what must hold of them whatever died. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { chainOf } from '@corral/host/chain/chain';
import { CheckpointFile } from '@corral/host/checkpoint/checkpoint-files';
import { eventually, succeeded } from '../support/operations.ts';
import type { Scenario } from './scenarios.ts';

const machine = {
  name: 'a',
  memoryBytes: 64 * 2 ** 20,
  disks: [{ name: 'data', sizeBytes: 2 ** 24 }],
};

const running = (client: Client) => succeeded(client, client.vm.create(machine)).then(() => start(client));
const start = (client: Client) => succeeded(client, client.vm.start('a'));

const withCheckpoints = async (client: Client): Promise<void> => {
  await running(client);
  for (const name of ['one', 'two']) await succeeded(client, client.checkpoint.create('a', { name }));
};

const exportFolder = (data: string): string => join(data, 'export');

export const checkpointScenarios: Readonly<Record<string, Scenario>> = {
  'checkpoint.create': {
    prepare: running,
    begin: (client) => client.checkpoint.create('a', { name: 'one' }),
  },
  'checkpoint.apply': {
    prepare: withCheckpoints,
    begin: (client) =>
      client.checkpoint.apply('a', 'one', { present: 'checkpoint', checkpointName: 'three' }),
  },
  'checkpoint.rename': {
    prepare: withCheckpoints,
    begin: (client) => client.checkpoint.rename('a', 'one', { name: 'uno' }),
  },
  'checkpoint.delete': {
    prepare: withCheckpoints,
    begin: (client) => client.checkpoint.delete('a', 'two'),
  },
  'vm.merge': {
    prepare: withCheckpoints,
    begin: async (client) => {
      await succeeded(client, client.checkpoint.delete('a', 'one'));
      const merges = await eventually(
        'the merge has begun',
        async () => (await client.operation.list({})).items.filter(({ kind }) => kind === 'vm.merge'),
        ({ length }) => length > 0,
      );
      return merges[0]!;
    },
  },
  'checkpoint.export': {
    prepare: async (client, data) => {
      await rm(exportFolder(data), { recursive: true, force: true });
      await withCheckpoints(client);
    },
    begin: (client, data) =>
      client.checkpoint.export('a', 'one', { directory: exportFolder(data), flatten: true }),
  },
  'vm.register': {
    // In place and from VHDX: the folder is linked, a disk is converted, and the export is one no more.
    prepare: async (client, data) => {
      await rm(exportFolder(data), { recursive: true, force: true });
      await withCheckpoints(client);
      const request = { directory: exportFolder(data), format: 'vhdx' } as const;
      await succeeded(client, client.checkpoint.export('a', 'one', request));
      await succeeded(client, client.vm.stop('a'));
      await succeeded(client, client.vm.delete('a', { ifMatch: '*' }));
    },
    begin: (client, data) => client.vm.register({ directory: exportFolder(data) }),
  },
};

/** Files, records and folders of a VM's checkpoints agree, and no file of a layer is without a chain. */
export async function checkpointsWhole(client: Client, data: string, vmId: string): Promise<void> {
  const folder = join(data, 'vms', vmId);
  const { items, present } = await client.checkpoint.list(vmId);
  assert.deepEqual(foldersIn(join(folder, 'checkpoints')), items.map(({ id }) => id).sort());
  for (const { id, name, parentId, current } of items) {
    const { checkpoint, ...file } = checkpointFile(folder, id);
    assert.deepEqual([checkpoint.name, checkpoint.parentId, file.current], [name, parentId, current]);
    const memory = existsSync(join(folder, 'checkpoints', id, 'memory'));
    assert.equal(memory, checkpoint.memory !== null, 'memory for those that have it');
    assert.ok(parentId === null || items.some((other) => other.id === parentId), 'its parent is there');
  }
  assert.ok(present.parentId === null || items.some(({ id }) => id === present.parentId));
  await eventually(
    'a file for each layer, and no other',
    async () => ({ there: foldersIn(join(folder, 'disks')), held: heldFiles(folder, items) }),
    ({ there, held }) => JSON.stringify(there) === JSON.stringify(held),
    20_000,
  );
}

function checkpointFile(folder: string, id: string): CheckpointFile {
  const path = join(folder, 'checkpoints', id, 'checkpoint.json');
  return CheckpointFile.parse(JSON.parse(readFileSync(path, 'utf8')));
}

/** As `vm.json` and the files of the checkpoints have it, which a merge rewrites before it deletes a file. */
function heldFiles(folder: string, checkpoints: readonly { readonly id: string }[]): string[] {
  const vm = VmSettings.parse(JSON.parse(readFileSync(join(folder, 'vm.json'), 'utf8')));
  const all = [vm, ...checkpoints.map(({ id }) => checkpointFile(folder, id).checkpoint.settings)];
  const paths = all.flatMap(({ disks }) => disks.flatMap((disk) => chainOf(disk)).map(({ path }) => path));
  const inside = paths.filter((path) => path.startsWith('disks/')).map((path) => path.slice('disks/'.length));
  return [...new Set(inside)].sort();
}

function foldersIn(path: string): string[] {
  return existsSync(path) ? readdirSync(path).sort() : [];
}
