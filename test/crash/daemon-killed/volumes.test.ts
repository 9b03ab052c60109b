import { killDaemonAtEveryStep } from './areas.ts';

killDaemonAtEveryStep('volumes');
