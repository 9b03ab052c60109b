import { killDaemonAtEveryStep } from './areas.ts';

killDaemonAtEveryStep('repositories');
