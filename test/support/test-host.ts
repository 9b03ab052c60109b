/**
 * A daemon of a test's own, on a data directory of its own, as a user would run it: `bin/corrald`. Everything that it
 * and its VMs started ends when it is disposed.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { Client } from '@corral/api/client.gen';
import { socketTransport } from '@corral/api/transport';
import { projectRoot } from '../../tools/node-path.mjs';
import { eventually } from './operations.ts';
import { killProcessesOf, stateOf } from './processes.ts';
import { deleteTapsOf } from './taps.ts';

const execute = promisify(execFile);

export interface HostOptions {
  /** Added to the daemon's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** A volume of its own of this size for the data directory, in memory, so that it can be full. */
  readonly volumeBytes?: number;
  /** The data directory lies in here; unless told, where temporary files lie. */
  readonly folder?: string;
  /** Shell commands that change the mounts which the daemon sees, and nobody else: it gets a namespace of its own. */
  readonly mounts?: string;
}

const startLimitMs = 120_000;

export class TestHost implements AsyncDisposable {
  readonly data: string;
  readonly client: Client;
  #daemon: ChildProcess | null = null;
  #output = '';
  #mounted = false;

  private constructor(data: string) {
    this.data = data;
    this.client = new Client(socketTransport(this.socket));
  }

  static async start(options: HostOptions = {}): Promise<TestHost> {
    const host = new TestHost(await mkdtemp(join(options.folder ?? tmpdir(), 'corral-test-')));
    try {
      if (options.volumeBytes !== undefined) await host.#mount(options.volumeBytes);
      await host.startDaemon(options);
      return host;
    } catch (cause) {
      await host[Symbol.asyncDispose]();
      throw cause;
    }
  }

  get socket(): string {
    return join(this.data, 'corrald.sock');
  }

  get #faultFile(): string {
    return join(this.data, 'faults');
  }

  /** Something happens to the host at a point of an operation, once. @param fault as packages/operation/src/fault.ts has it */
  arm(fault: string): Promise<void> {
    return writeFile(this.#faultFile, fault);
  }

  /** Whether the point of what was armed has not been reached yet. */
  isArmed(): Promise<boolean> {
    return exists(this.#faultFile);
  }

  /** Resolves when what struck has done its work; a daemon that it killed never says so. */
  async hasStruck(): Promise<void> {
    await eventually(
      'what struck has done its work',
      () => exists(`${this.#faultFile}.striking`),
      (striking) => !striking,
    );
  }

  /** What was armed and did not strike strikes no more. */
  disarm(): Promise<void> {
    return rm(this.#faultFile, { force: true });
  }

  /** What the daemon printed so far, of all its lives. */
  get output(): string {
    return this.#output;
  }

  /** Resolves when it says that it is ready; rejects with what it printed when it ends instead. */
  async startDaemon(options: HostOptions = {}): Promise<void> {
    const args = ['--data', this.data, '--listen', '127.0.0.1:0', '--name', 'test', ...(options.args ?? [])];
    const [program, ...words] = daemonCommand(args, options.mounts);
    const daemon = spawn(program!, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, CORRAL_FAULTS: `@${this.#faultFile}`, ...options.env },
    });
    this.#daemon = daemon;
    daemon.stderr.on('data', (data: Buffer) => {
      this.#output += data.toString();
    });
    const ready = Promise.withResolvers<void>();
    createInterface(daemon.stdout).on('line', (line) => {
      this.#output += `${line}\n`;
      if (line.includes('corrald ready')) ready.resolve();
    });
    daemon.once('exit', (code, signal) => {
      ready.reject(new Error(`corrald ended (${code ?? signal}) before it was ready:\n${this.#output}`));
    });
    const timer = setTimeout(
      () => ready.reject(new Error(`corrald is not ready:\n${this.#output}`)),
      startLimitMs,
    );
    try {
      await ready.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  async #mount(bytes: number): Promise<void> {
    await execute('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0711`, 'tmpfs', this.data]);
    this.#mounted = true;
  }

  get daemonPid(): number {
    return this.#daemon!.pid!;
  }

  /** Resolves when the daemon has ended, whoever ended it. */
  async daemonEnded(): Promise<void> {
    const daemon = this.#daemon!;
    if (daemon.exitCode === null && daemon.signalCode === null) await once(daemon, 'exit');
  }

  /** Resolves when `stop-daemon` has struck. */
  async daemonStandsStill(): Promise<void> {
    await eventually(
      'the daemon stands still',
      async () => stateOf(this.daemonPid),
      (state) => state === 'T',
    );
  }

  async endDaemon(signal: NodeJS.Signals): Promise<void> {
    this.#daemon!.kill(signal);
    await this.daemonEnded();
  }

  async restart(signal: NodeJS.Signals = 'SIGKILL', options: HostOptions = {}): Promise<void> {
    await this.endDaemon(signal);
    await this.startDaemon(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    if (this.#daemon) await this.endDaemon('SIGKILL');
    await killProcessesOf(this.data);
    await deleteTapsOf(this.data);
    if (this.#mounted) await execute('umount', [this.data]);
    await rm(this.data, { recursive: true, force: true });
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Everything in between replaces itself, so the process that is started is the daemon's. */
function daemonCommand(args: readonly string[], mounts: string | undefined): string[] {
  const command = [join(projectRoot, 'bin/corrald'), ...args];
  if (mounts === undefined) return command;
  return ['unshare', '--mount', 'sh', '-ec', `${mounts}\nexec "$@"`, 'sh', ...command];
}
