/** The daemon killed at every step of the operations of one area; each area is a file, so that files run side by side. */
import { killDaemonAtEveryStepOf } from '../kill-daemon-at-every-step.ts';
import { scenarios } from '../scenarios.ts';

/** Of each area, how the kinds of its operations begin. */
export const areas = {
  vms: ['vm', 'host', 'image'],
  checkpoints: ['checkpoint'],
  volumes: ['volume'],
  repositories: ['repository'],
  backups: ['backup', 'reference', 'changes'],
  restores: ['restore'],
} as const;

export function areaOf(kind: string): keyof typeof areas | undefined {
  const [subject] = kind.split('.');
  return (Object.keys(areas) as (keyof typeof areas)[]).find((area) =>
    areas[area].some((each) => each === subject),
  );
}

export function killDaemonAtEveryStep(area: keyof typeof areas): void {
  const own = Object.entries(scenarios).filter(([kind]) => areaOf(kind) === area);
  killDaemonAtEveryStepOf(area, Object.fromEntries(own));
}
