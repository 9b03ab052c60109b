import { killDaemonAtEveryStep } from './areas.ts';

killDaemonAtEveryStep('backups');
