/** Runs a program to its end. No shell: arguments are passed as they are. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { imageErrors } from './errors.ts';

const execute = promisify(execFile);

export interface CommandOptions {
  readonly signal?: AbortSignal | undefined;
  /** ms; ten minutes unless told. */
  readonly limitMs?: number;
  readonly cwd?: string;
}

/**
 * @returns what it wrote to stdout, at most 64 MiB
 * @throws image.command-missing; image.command-failed with its last words; the signal's reason
 */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Buffer> {
  const { signal, limitMs = 600_000, cwd } = options;
  try {
    const { stdout } = await execute(program, [...args], {
      encoding: 'buffer',
      timeout: limitMs,
      killSignal: 'SIGKILL',
      maxBuffer: 64 * 2 ** 20,
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      ...(signal ? { signal } : {}),
      ...(cwd === undefined ? {} : { cwd }),
    });
    return stdout;
  } catch (cause) {
    signal?.throwIfAborted();
    const { code, killed, stderr, message } = cause as NodeJS.ErrnoException & {
      readonly killed?: boolean;
      readonly stderr?: Buffer;
    };
    if (code === 'ENOENT') throw imageErrors['command-missing']({ program }, { cause });
    const words = killed ? `it did not end within ${limitMs} ms` : stderr?.toString().trim() || message;
    const command = [program, ...args].join(' ');
    throw imageErrors['command-failed']({ command, output: words.slice(-2000) }, { cause });
  }
}
