/** Restores of a machine that runs its firmware. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import { eventually, succeeded } from '../support/operations.ts';
import { backedUp } from './backup-scenarios.ts';
import type { Scenario } from './scenarios.ts';

const directory = (data: string): string => join(data, 'restored');

const stopped = async (client: Client, data: string): Promise<void> => {
  await backedUp(client, data);
  await succeeded(client, client.vm.stop('a'));
};

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
      await rm(join(data, 'taken-out'), { force: true });
      await backedUp(client, data);
    },
    // That there is no such file is found by the helper VM, which has booted by then.
    begin: (client, data) =>
      client.restore.getFile('first', {
        disk: 'data',
        path: '/lost+found/none',
        target: join(data, 'taken-out'),
      }),
  },
  'restore.files': {
    prepare: async (client, data) => {
      await rm(directory(data), { recursive: true, force: true });
      await backedUp(client, data);
    },
    begin: (client, data) => client.restore.files('first', { directory: directory(data) }),
  },
};
