import { killDaemonAtEveryStep } from './areas.ts';

killDaemonAtEveryStep('restores');
