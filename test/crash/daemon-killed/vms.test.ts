import { killDaemonAtEveryStep } from './areas.ts';

killDaemonAtEveryStep('vms');
