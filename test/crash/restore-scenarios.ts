/** Restores of a machine that runs its firmware. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import { eventually, succeeded } from '../support/operations.ts';
import { synced } from '../support/synced.ts';
import { backedUp } from './backup-scenarios.ts';
import type { Scenario } from './scenarios.ts';

const directory = (data: string): string => join(data, 'restored');

const stopped = async (client: Client, data: string): Promise<void> => {
  await backedUp(client, data);
  await succeeded(client, client.vm.stop('a'));
};

const takenOut = (data: string): string => join(data, 'taken-out');

/** A disk with a file in it, as some guest might have written it. */
async function writeDisk(data: string): Promise<string> {
  const [folder, disk] = [join(data, 'to-be-written'), join(data, 'with-a-file.raw')];
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'letter'), Buffer.alloc(2 ** 20, 'dear '));
  await rm(disk, { force: true });
  await promisify(execFile)('mke2fs', ['-q', '-t', 'ext4', '-d', folder, disk, '16M']);
  await synced(disk);
  return disk;
}

export const restoreScenarios: Readonly<Record<string, Scenario>> = {
  'restore.vm': {
    prepare: backedUp,
    begin: (client) => client.restore.vm('first', { name: 'b', start: true }),
  },
  'restore.copy': {
    prepare: backedUp,
    begin: async (client) => {
      await succeeded(client, client.restore.vm('first', { name: 'b', instant: true }));
      const copies = await eventually(
        'the copy has begun',
        async () => (await client.operation.list({})).items.filter(({ kind }) => kind === 'restore.copy'),
        ({ length }) => length > 0,
      );
      return copies.at(-1) as Operation;
    },
  },
  'restore.in-place': {
    prepare: stopped,
    begin: (client) => client.restore.inPlace('first', { confirm: 'a' }),
  },
  'restore.disk': {
    prepare: backedUp,
    begin: (client) => client.restore.disk('first', { disk: 'data', vm: 'a', name: 'old' }),
  },
  'restore.verify': {
    prepare: backedUp,
    // Nobody answers in a machine without a system: the finding is that it failed, and that is found soon.
    begin: (client) => client.restore.verify('first', { limitMs: 1_000 }),
  },
  'restore.browse': {
    prepare: async (client, data) => {
      await rm(takenOut(data), { force: true });
      await backedUp(client, data, [{ name: 'letters', from: await writeDisk(data) }]);
    },
    begin: (client, data) =>
      client.restore.getFile('first', { disk: 'letters', path: '/letter', target: takenOut(data) }),
  },
  'restore.files': {
    prepare: async (client, data) => {
      await rm(directory(data), { recursive: true, force: true });
      await backedUp(client, data);
    },
    begin: (client, data) => client.restore.files('first', { directory: directory(data) }),
  },
};

/** A file is taken out whole, or not at all. */
export function takenOutWhole(data: string): void {
  assert.ok(!existsSync(`${takenOut(data)}.part`), 'no part of a file that was to be taken out');
}
