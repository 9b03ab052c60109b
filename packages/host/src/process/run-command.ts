/** Runs a helper program of the host to its end. No shell: arguments are passed as they are. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { hostErrors } from '../errors.ts';
import { childEnvironment } from './child-environment.ts';

const execute = promisify(execFile);

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** ms; 60 s unless told. */
  readonly limitMs?: number;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly cwd?: string;
}

/** @returns what it wrote to stdout. @throws host.command-failed with its last words */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { signal, limitMs = 60_000, uid, gid, cwd } = options;
  try {
    const { stdout } = await execute(program, [...args], {
      timeout: limitMs,
      killSignal: 'SIGKILL',
      maxBuffer: 16 * 2 ** 20,
      env: childEnvironment(),
      ...(signal ? { signal } : {}),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      ...(cwd === undefined ? {} : { cwd }),
    });
    return stdout;
  } catch (cause) {
    signal?.throwIfAborted();
    const output = String((cause as { stderr?: string }).stderr || (cause as Error).message).trim();
    throw hostErrors['command-failed']({ command: [program, ...args].join(' '), output }, { cause });
  }
}
