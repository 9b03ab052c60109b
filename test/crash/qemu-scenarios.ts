/** Operations during which a QEMU lives or is being started: what `kill -9` of it can strike. By name, in words. */
import type { Client } from '@corral/api/client.gen';
import { succeeded } from '../support/operations.ts';
import { type Scenario, scenarios } from './scenarios.ts';

export interface QemuScenario extends Scenario {
  readonly kind: string;
}

const ofKind = (kind: string): QemuScenario => ({ kind, ...scenarios[kind]! });

const paused = async (client: Client): Promise<void> => {
  await scenarios['vm.pause']!.prepare(client, '');
  await succeeded(client, client.vm.pause('a'));
};

export const machineScenarios: Readonly<Record<string, QemuScenario>> = {
  start: ofKind('vm.start'),
  'start from saved': {
    kind: 'vm.start',
    prepare: scenarios['vm.discard-saved']!.prepare,
    begin: (client) => client.vm.start('a'),
  },
  shutdown: ofKind('vm.shutdown'),
  stop: ofKind('vm.stop'),
  'stop of a paused VM': { kind: 'vm.stop', prepare: paused, begin: (client) => client.vm.stop('a') },
  pause: ofKind('vm.pause'),
  resume: ofKind('vm.resume'),
  reset: ofKind('vm.reset'),
  save: ofKind('vm.save'),
  'save of a paused VM': { kind: 'vm.save', prepare: paused, begin: (client) => client.vm.save('a') },
  'adding a disk': ofKind('vm.disk-add'),
  'adding a port': ofKind('vm.port-add'),
  autostop: ofKind('host.autostop'),
};

export const checkpointScenarios: Readonly<Record<string, QemuScenario>> = {
  'a checkpoint': ofKind('checkpoint.create'),
  'applying a checkpoint': ofKind('checkpoint.apply'),
  'deleting a checkpoint': ofKind('checkpoint.delete'),
  'a merge': ofKind('vm.merge'),
  'an export of a checkpoint': ofKind('checkpoint.export'),
};

export const backupScenarios: Readonly<Record<string, QemuScenario>> = {
  'a backup': ofKind('backup.run'),
  'a fork': ofKind('vm.fork'),
  'a reference point': ofKind('reference.create'),
  'opening changes': ofKind('changes.open'),
  'a restore': ofKind('restore.vm'),
  'a restored disk': ofKind('restore.disk'),
};
