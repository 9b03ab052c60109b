/** Runs a program and says its time, its processor time and its peak memory, threads and children included. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Measured {
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly peakBytes: number;
  /** The lines it printed. */
  readonly lines: readonly string[];
}

/** GNU time asks the kernel when the program has ended, so nothing is sampled. */
export async function measure(
  command: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Measured> {
  const begun = performance.now();
  const child = spawn('/usr/bin/time', ['-f', 'TIME %U %S %M', ...command], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const errors: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const seconds = (performance.now() - begun) / 1e3;
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}:\n${errors.join('\n')}`);
  const [, user, system, kilobytes] = errors
    .findLast((line) => line.startsWith('TIME '))!
    .split(' ')
    .map(Number);
  return { seconds, processorSeconds: user! + system!, peakBytes: kilobytes! * 1024, lines };
}
