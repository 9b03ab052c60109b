import { killDaemonAtEveryStepOf } from '../kill-daemon-at-every-step.ts';
import { keptCheckpoints } from '../scenarios.ts';
import { killDaemonAtEveryStep } from './areas.ts';

killDaemonAtEveryStep('vms');
killDaemonAtEveryStepOf('a VM with the checkpoints of foreign files', { 'vm.create': keptCheckpoints });
