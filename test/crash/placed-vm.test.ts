/**
 * The same for VMs that are not at home in the data directory: their folder lies on a volume, behind a link, and one of
 * their disks on another.
 */
import type { Client } from '@corral/api/client.gen';
import { succeeded } from '../support/operations.ts';
import { killDaemonAtEveryStepOf } from './kill-daemon-at-every-step.ts';
import type { Scenario } from './scenarios.ts';
import { addedVolume } from './volume-scenarios.ts';

const machine = {
  name: 'a',
  memoryBytes: 64 * 2 ** 20,
  volume: 'v',
  disks: [
    { name: 'near', sizeBytes: 2 ** 24 },
    { name: 'far', sizeBytes: 2 ** 24, volume: 'local' },
  ],
};

async function created(client: Client, data: string): Promise<void> {
  await addedVolume(client, data);
  await succeeded(client, client.vm.create(machine));
}

const scenarios: Readonly<Record<string, Scenario>> = {
  'vm.create': { prepare: addedVolume, begin: (client) => client.vm.create(machine) },
  'vm.clone': { prepare: created, begin: (client) => client.vm.clone('a', { name: 'b' }) },
  'vm.delete': { prepare: created, begin: (client) => client.vm.delete('a', { ifMatch: '*' }) },
  'vm.disk-add': {
    prepare: created,
    begin: (client) => client.vm.disk.add('a', { name: 'more', sizeBytes: 2 ** 24, volume: 'local' }),
  },
  'vm.disk-remove': { prepare: created, begin: (client) => client.vm.disk.remove('a', 'far') },
};

killDaemonAtEveryStepOf('VMs on volumes', scenarios);
