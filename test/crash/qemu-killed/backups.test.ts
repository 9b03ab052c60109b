import { killQemuAtEveryStep } from '../kill-qemu.ts';
import { backupScenarios } from '../qemu-scenarios.ts';

killQemuAtEveryStep('backups', backupScenarios);
