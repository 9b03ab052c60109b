/** How soon a second `npm start` is ready: the first has set the host up and made a machine. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { interrupt, npmStart } from '../../test/support/npm-start.ts';
import { killProcessesOf } from '../../test/support/processes.ts';

/** @returns ms of each round, from the process to its last word before it waits */
export async function secondStarts(rounds: number): Promise<number[]> {
  const data = await mkdtemp(join(tmpdir(), 'corral-bench-start-'));
  try {
    await interrupt(await npmStart(data));
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const begun = performance.now();
      const run = await npmStart(data);
      times.push(performance.now() - begun);
      await interrupt(run);
    }
    return times;
  } finally {
    await killProcessesOf(data);
    await rm(data, { recursive: true, force: true });
  }
}
