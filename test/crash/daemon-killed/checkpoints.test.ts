import { killDaemonAtEveryStep } from './areas.ts';

killDaemonAtEveryStep('checkpoints');
