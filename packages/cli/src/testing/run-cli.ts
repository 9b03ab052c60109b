/** Runs `corral` within the test's own process, with streams that the test holds. */
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Io } from '../io.ts';
import { run } from '../run.ts';

export interface CliResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliSurroundings {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly currentDirectory?: string;
  readonly signal?: AbortSignal;
  /** Makes all three streams terminals of 80 columns. */
  readonly terminal?: boolean;
  /** Sees what arrives on standard error as it arrives. */
  readonly onStderr?: (text: string) => void;
}

export async function runCli(args: readonly string[], around: CliSurroundings = {}): Promise<CliResult> {
  const output = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof output): PassThrough => {
    const through = new PassThrough();
    through.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      if (name === 'stderr') around.onStderr?.(text);
    });
    return around.terminal ? Object.assign(through, { isTTY: true, columns: 80 }) : through;
  };
  const [stdout, stderr] = [stream('stdout'), stream('stderr')];
  const stdin = new PassThrough();
  stdin.end(around.stdin ?? '');
  const io: Io = {
    stdin,
    stdout,
    stderr,
    env: around.env ?? {},
    currentDirectory: around.currentDirectory ?? '/',
    signal: around.signal ?? new AbortController().signal,
  };
  const exitCode = await run(args, io);
  await Promise.all([finished(stdout.end()), finished(stderr.end())]);
  return { exitCode, ...output };
}
