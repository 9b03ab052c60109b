/** What operations of backups and reference points need before they can be begun, and what they may not leave behind. */
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import type { DiskSource } from '@corral/api/schemas/vm';
import { eventually, succeeded } from '../support/operations.ts';
import type { Scenario } from './scenarios.ts';

/** Nobody answers in a machine without a system: its agent is not asked. */
const request = { repository: 'vault', consistency: 'crash' } as const;

async function machineAndVault(
  client: Client,
  data: string,
  moreDisks: readonly DiskSource[] = [],
): Promise<void> {
  const path = join(data, 'place-vault');
  await rm(path, { recursive: true, force: true });
  const secret = { keyFile: Buffer.alloc(32, 'k').toString('base64') };
  await succeeded(
    client,
    client.repository.create({ name: 'vault', place: { kind: 'directory', path }, secret }),
  );
  await succeeded(
    client,
    client.vm.create({
      name: 'a',
      memoryBytes: 64 * 2 ** 20,
      disks: [{ name: 'data', sizeBytes: 2 ** 25, filesystem: 'ext4' }, ...moreDisks],
    }),
  );
  await succeeded(client, client.vm.start('a'));
}

export async function backedUp(
  client: Client,
  data: string,
  moreDisks?: readonly DiskSource[],
): Promise<void> {
  await machineAndVault(client, data, moreDisks);
  await succeeded(client, client.backup.run('a', { ...request, name: 'first' }));
}

async function referenced(client: Client, data: string): Promise<void> {
  await machineAndVault(client, data);
  for (const name of ['old', 'monday', 'new']) {
    await succeeded(client, client.reference.create('a', { name, consistency: 'crash' }));
  }
}

const openChanges = (client: Client) =>
  client.changes.open('a', { since: 'monday', consistency: 'crash', keepMs: 3_600_000 });

/** By its id: the operation under way has not told it yet. */
async function closeChanges(client: Client) {
  const { items } = await client.changes.list('a', {});
  return client.changes.close('a', items[0]!.id);
}

export const backupScenarios: Readonly<Record<string, Scenario>> = {
  'backup.run': { prepare: backedUp, begin: (client) => client.backup.run('a', request) },
  'vm.fork': { prepare: backedUp, begin: (client) => client.backup.run('a', request) },
  'backup.delete': { prepare: backedUp, begin: (client) => client.backup.delete('first', {}) },
  'reference.create': {
    prepare: machineAndVault,
    begin: (client) => client.reference.create('a', { name: 'monday', consistency: 'crash' }),
  },
  'changes.open': {
    prepare: referenced,
    begin: openChanges,
  },
  'changes.close': {
    prepare: async (client, data) => {
      await referenced(client, data);
      await succeeded(client, openChanges(client));
    },
    begin: closeChanges,
  },
  'vm.export': {
    prepare: async (client, data) => {
      await rm(join(data, 'exported'), { recursive: true, force: true });
      await referenced(client, data);
    },
    begin: (client, data) =>
      client.vm.export('a', { directory: join(data, 'exported'), since: 'monday', consistency: 'crash' }),
  },
  'reference.delete': { prepare: referenced, begin: (client) => client.reference.delete('a', 'monday') },
};

/** What stands open for readers is closed, as they would. */
export async function closeReaders(client: Client): Promise<void> {
  for (const { id: vm } of (await client.vm.list({})).items) {
    for (const { id } of (await client.changes.list(vm, {})).items) {
      await succeeded(client, client.changes.close(vm, id));
    }
  }
  await eventually(
    'nothing is merged any more',
    async () => (await client.operation.list({})).items,
    (items) => items.every(({ finishedAt }) => finishedAt !== null),
  );
}

/** Every layer of a VM without checkpoints is in its chain, and no more stay than its references need. */
export async function layersWhole(client: Client, data: string, id: string): Promise<void> {
  if ((await client.checkpoint.list(id, {})).items.length > 0) return;
  const { items: references } = await client.reference.list(id, {});
  const bound = 1 + 2 * references.length;
  // What closed a moment ago may still be merged: a merge is begun by what it waits for, not by who asks here.
  await eventually(
    `a file for each layer and no other, and at most ${bound} layers below the present`,
    () => layersAndFiles(client, data, id),
    ({ layers, files, depth }) => JSON.stringify(layers) === JSON.stringify(files) && depth <= bound,
    20_000,
  );
}

async function layersAndFiles(
  client: Client,
  data: string,
  id: string,
): Promise<{ readonly layers: string[]; readonly files: string[]; readonly depth: number }> {
  const { disks } = await client.vm.show(id);
  const chains = disks.flatMap(({ path, parents }) => [path, ...parents.map((layer) => layer.path)]);
  const folder = join(data, 'vms', id, 'disks');
  // A disk may lie on another volume, and a layer may be that of an image.
  const inside = (path: string) => path.startsWith('disks/') || path.startsWith(`${folder}/`);
  const layers = chains.filter(inside).map((path) => basename(path));
  const depth = Math.max(0, ...disks.map(({ parents }) => parents.length));
  return { layers: layers.sort(), files: readdirSync(folder).sort(), depth };
}
