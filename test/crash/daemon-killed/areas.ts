/** The daemon killed at every step of the operations of one area; each area is a file, so that files run side by side. */
import { after, describe, it } from 'node:test';
import { CrashHost } from '../crash-host.ts';
import { killDaemonAt } from '../kill-daemon.ts';
import { scenarios } from '../scenarios.ts';
import { all, crashPoints, nameOf, seed } from '../steps.ts';

/** Of each area, how the kinds of its operations begin. */
export const areas = {
  vms: ['vm', 'host', 'image'],
  checkpoints: ['checkpoint'],
  volumes: ['volume'],
  repositories: ['repository'],
  backups: ['backup', 'reference', 'changes'],
  restores: ['restore'],
} as const;

/** A daemon that never reaches the point would be waited for without end. */
const limitMs = 120_000;

export function areaOf(kind: string): keyof typeof areas | undefined {
  const [subject] = kind.split('.');
  return (Object.keys(areas) as (keyof typeof areas)[]).find((area) =>
    areas[area].some((each) => each === subject),
  );
}

export function killDaemonAtEveryStep(area: keyof typeof areas): void {
  describe(`the daemon killed at every step: ${area} (seed ${seed})`, () => {
    const crash = new CrashHost();
    after(() => crash[Symbol.asyncDispose]());

    for (const point of crashPoints(all, seed).filter(({ kind }) => areaOf(kind) === area)) {
      it(nameOf(point), { timeout: limitMs }, () =>
        crash.use((host) => killDaemonAt(host, point, scenarios[point.kind]!)),
      );
    }
  });
}
