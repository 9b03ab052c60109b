/**
 * What each kind of operation needs before it can be begun, and how it is begun. The kinds and their steps come from
 * the registry: a kind without a scenario fails the suite.
 */
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import { openChain } from '@corral/disk/chain';
import { createDisk } from '@corral/disk/verbs/create-disk';
import { hashDisk } from '@corral/disk/verbs/hash-disk';
import { succeeded } from '../support/operations.ts';
import { contentOf, presentDisk } from '../support/record-writer.ts';
import { synced } from '../support/synced.ts';
import { backupScenarios } from './backup-scenarios.ts';
import { checkpointFile, checkpointScenarios } from './checkpoint-scenarios.ts';
import { repositoryScenarios } from './repository-scenarios.ts';
import { restoreScenarios } from './restore-scenarios.ts';
import { volumeScenarios } from './volume-scenarios.ts';

export interface Scenario {
  /** Brings the host into the state in which the operation is legal. */
  readonly prepare: (client: Client, data: string) => Promise<unknown>;
  readonly begin: (client: Client, data: string) => Promise<Operation>;
  /** Looks at what is before anything is struck. @returns what must hold when the operation was done at last */
  readonly expect?: (client: Client, data: string) => Promise<() => Promise<void>>;
  /** The present may become what it was at a checkpoint. */
  readonly goesBack?: boolean;
}

/** A machine without a system: it runs its firmware, which is enough for all that needs no guest. */
const machine = {
  name: 'a',
  memoryBytes: 64 * 2 ** 20,
  disks: [{ name: 'data', sizeBytes: 2 ** 24 }],
} as const;

const create = (client: Client) =>
  succeeded(client, client.vm.create({ ...machine, disks: [...machine.disks] }));

const start = async (client: Client) => {
  await create(client);
  await succeeded(client, client.vm.start('a'));
};

const save = async (client: Client) => {
  await start(client);
  await succeeded(client, client.vm.save('a'));
};

const withHotDisk = async (client: Client) => {
  await create(client);
  await succeeded(client, client.vm.disk.add('a', { name: 'more', sizeBytes: 2 ** 24 }));
};

const rawFile = (data: string): string => join(data, 'source.raw');

const writeRawFile = async (_client: Client, data: string) => {
  await writeFile(rawFile(data), Buffer.alloc(2 ** 20, 7));
  await synced(rawFile(data));
};

const foreignFile = (data: string) => join(data, 'foreign.vhdx');

/** Repeatable: a scenario is prepared again where the last one left the host. */
const writeForeignDisk = async (_client: Client, data: string) => {
  await rm(foreignFile(data), { force: true });
  await createDisk(foreignFile(data), { format: 'vhdx', sizeBytes: 2 ** 24 });
  await synced(foreignFile(data));
};

const keptFolder = (data: string) => join(data, 'kept');

/** Of three files, each with a block of its own. @returns the files, the lowest first */
const writeKeptChain = async (_client: Client, data: string): Promise<string[]> => {
  const folder = keptFolder(data);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const paths = ['base.vhdx', 'one.avhdx', 'two.avhdx'].map((name) => join(folder, name));
  for (const [index, path] of paths.entries()) {
    await createDisk(path, {
      format: 'vhdx',
      ...(index > 0 ? { parent: paths[index - 1]! } : { sizeBytes: 2 ** 24 }),
    });
    await using disk = await openChain(path, { readOnly: false });
    await disk.write(Buffer.alloc(2 ** 20, index + 1), index * 2 ** 19);
  }
  await synced(folder);
  return paths;
};

/** `vm.create` of another kind: its steps make several layers, and checkpoints with the VM. */
export const keptCheckpoints: Scenario = {
  prepare: writeKeptChain,
  begin: (client, data) =>
    client.vm.create({
      ...machine,
      disks: [{ name: 'data', from: join(keptFolder(data), 'two.avhdx') }],
      keepCheckpoints: true,
    }),
  expect: async (client, data) => {
    const folder = keptFolder(data);
    const wanted: string[] = [];
    for (const name of ['base.vhdx', 'one.avhdx', 'two.avhdx']) {
      wanted.push((await hashDisk(join(folder, name))).sha256);
    }
    return async () => {
      const vm = join(data, 'vms', (await client.vm.show('a')).id);
      const { items } = await client.checkpoint.list('a');
      const disks = items.map(({ id }) => checkpointFile(vm, id).checkpoint.settings.disks[0]!);
      const found = [...disks, presentDisk(vm)!].map(async (disk) => (await contentOf(vm, disk)).hash);
      assert.deepEqual(await Promise.all(found), wanted);
    };
  },
};

const importImage = (client: Client, data: string) =>
  client.image.import({ name: 'b', path: rawFile(data), format: 'raw' });

export const scenarios: Readonly<Record<string, Scenario>> = {
  'vm.create': {
    prepare: writeForeignDisk,
    begin: (client, data) =>
      client.vm.create({
        ...machine,
        disks: [
          { name: 'data', sizeBytes: 2 ** 24, filesystem: 'ext4' },
          { name: 'foreign', from: foreignFile(data) },
        ],
        start: true,
      }),
  },
  'vm.start': { prepare: create, begin: (client) => client.vm.start('a') },
  'vm.shutdown': {
    prepare: start,
    begin: (client) => client.vm.shutdown('a', { limitMs: 500, force: true }),
  },
  'vm.stop': { prepare: start, begin: (client) => client.vm.stop('a') },
  'vm.pause': { prepare: start, begin: (client) => client.vm.pause('a') },
  'vm.resume': {
    prepare: async (client) => {
      await start(client);
      await succeeded(client, client.vm.pause('a'));
    },
    begin: (client) => client.vm.resume('a'),
  },
  'vm.reset': { prepare: start, begin: (client) => client.vm.reset('a') },
  'vm.save': { prepare: start, begin: (client) => client.vm.save('a') },
  'vm.discard-saved': { prepare: save, begin: (client) => client.vm.discardSaved('a') },
  'vm.set': {
    prepare: create,
    begin: (client) => client.vm.update('a', { cpus: 2 }, { ifMatch: '*' }),
  },
  'vm.clone': { prepare: create, begin: (client) => client.vm.clone('a', { name: 'b' }) },
  'vm.delete': { prepare: create, begin: (client) => client.vm.delete('a', { ifMatch: '*' }) },
  'vm.disk-add': {
    prepare: start,
    begin: (client) => client.vm.disk.add('a', { name: 'more', sizeBytes: 2 ** 24 }),
  },
  'vm.disk-resize': {
    prepare: withHotDisk,
    begin: (client) => client.vm.disk.resize('a', 'more', { sizeBytes: 2 ** 25 }),
  },
  'vm.disk-accept': { prepare: create, begin: (client) => client.vm.disk.accept('a', 'data') },
  'vm.disk-remove': { prepare: withHotDisk, begin: (client) => client.vm.disk.remove('a', 'more') },
  'vm.port-add': { prepare: start, begin: (client) => client.vm.port.add('a', { network: 'user' }) },
  'vm.port-remove': { prepare: create, begin: (client) => client.vm.port.remove('a', 'net0') },
  'host.autostop': { prepare: start, begin: (client) => client.host.autostop() },
  'image.build': {
    prepare: async () => undefined,
    begin: (client) => client.image.build({ recipe: 'micro' }),
  },
  ...backupScenarios,
  ...restoreScenarios,
  ...checkpointScenarios,
  ...volumeScenarios,
  ...repositoryScenarios,
  'image.import': { prepare: writeRawFile, begin: importImage },
  'image.delete': {
    prepare: async (client, data) => {
      await writeRawFile(client, data);
      await succeeded(client, importImage(client, data));
    },
    begin: (client) => client.image.delete('b'),
  },
};
