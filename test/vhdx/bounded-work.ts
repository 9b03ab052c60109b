/** What a hostile file may cost at most. Counted, and in the time of the processor, which other work does not change. */
import assert from 'node:assert/strict';
import type { CrashFile } from './crash-file.ts';

/** The seeds are of a few MiB at most: whoever reads more goes by what a damaged table says. */
const most = { calls: 20_000, bytes: 64 * 2 ** 20 };

/** @param what names the run in a failure */
export function assertLittleWork({ work }: CrashFile, what: string): void {
  assert.ok(work.calls <= most.calls && work.bytes <= most.bytes, `${what}: ${JSON.stringify(work)}`);
}

/** Runs `work`, which may take so much of the processor's time. */
export async function withinProcessorTime<T>(
  mostMs: number,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  const begun = process.cpuUsage();
  const result = await work();
  const { system, user } = process.cpuUsage(begun);
  const tookMs = (system + user) / 1000;
  assert.ok(tookMs < mostMs, `${what} took ${tookMs} ms of the processor`);
  return result;
}
