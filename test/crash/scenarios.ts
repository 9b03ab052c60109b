/**
 * What each kind of operation needs before it can be begun, and how it is begun. The kinds and their steps come from
 * the registry: a kind without a scenario fails the suite.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import { createDisk } from '@corral/disk/verbs/create-disk';
import { succeeded } from '../support/operations.ts';
import { backupScenarios } from './backup-scenarios.ts';
import { checkpointScenarios } from './checkpoint-scenarios.ts';
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

const writeRawFile = (_client: Client, data: string) => writeFile(rawFile(data), Buffer.alloc(2 ** 20, 7));

const foreignFile = (data: string) => join(data, 'foreign.vhdx');

/** Repeatable: a scenario is prepared again where the last one left the host. */
const writeForeignDisk = async (_client: Client, data: string) => {
  await rm(foreignFile(data), { force: true });
  await createDisk(foreignFile(data), { format: 'vhdx', sizeBytes: 2 ** 24 });
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
