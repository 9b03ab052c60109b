/** Processes of QEMU's programs for tests: always ended, by their own id, with what they said at hand. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { delay, withLimit } from '@corral/core/abort';

const execute = promisify(execFile);
const LIMIT_MS = 30_000;

/** The program's path, if this machine has it. */
export function findProgram(name: string, ...more: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return [...folders.map((folder) => join(folder, name)), ...more].find((path) => existsSync(path));
}

/** A reason to skip where one of the programs is missing; false where all are there. */
export function missing(...names: readonly string[]): string | false {
  const absent = names.filter((name) => findProgram(name) === undefined);
  return absent.length > 0 && `not installed: ${absent.join(', ')}`;
}

/** Runs a program to its end and returns what it printed. Rejects with its errors if it fails. */
export async function runTool(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(program, args, { timeout: LIMIT_MS, maxBuffer: 64 * 2 ** 20 });
  return stdout;
}

export class ToolProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #name: string;
  #output = '';

  private constructor(program: string, args: readonly string[]) {
    this.#name = basename(program);
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (text: Buffer) => {
        this.#output += text.toString();
      });
    }
    this.#ended = once(this.#child, 'exit');
    // Its end is looked at where it matters; until then it may end unwatched.
    this.#ended.catch(() => undefined);
  }

  /** Starts a program and waits until it listens at a Unix socket. */
  static async start(program: string, args: readonly string[], socket: string): Promise<ToolProcess> {
    const tool = new ToolProcess(program, args);
    try {
      const what = `The start of ${tool.#name}`;
      await withLimit(what, LIMIT_MS, undefined, async (signal) => {
        while (!(await listens(socket))) {
          if (tool.#hasEnded) throw new Error(`${tool.#name} ended at once: ${tool.#output.trim()}`);
          await delay(5, signal);
        }
      });
      return tool;
    } catch (error) {
      await tool[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when the process has ended. */
  async ended(): Promise<void> {
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasEnded) return;
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  get #hasEnded(): boolean {
    return this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

/** Whether somebody accepts connections. The file alone does not tell: it appears before. */
async function listens(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && /ENOENT|ECONNREFUSED/.test(String(error.code)))
      return false;
    throw error;
  } finally {
    socket.destroy();
  }
}
