import { killQemuAtEveryStep } from '../kill-qemu.ts';
import { checkpointScenarios } from '../qemu-scenarios.ts';

killQemuAtEveryStep('checkpoints', checkpointScenarios);
