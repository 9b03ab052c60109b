/** Times of one piece of work, and the processes beside it. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export async function run(program: string, args: readonly string[]): Promise<void> {
  await execute(program, [...args], { maxBuffer: 2 ** 20 });
}

export async function seconds(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Removes what a run made, outside the time that is taken. */
export async function quietly(path: string): Promise<void> {
  await rm(path, { force: true });
}

/** Of several runs: the one in the middle, and the one that was disturbed least. */
export interface Times {
  readonly median: number;
  readonly best: number;
}

export function timesOf(values: readonly number[]): Times {
  return { median: median(values), best: Math.min(...values) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
