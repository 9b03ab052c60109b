/** The daemon's side of a guard: starts it, waits for the freeze, tells it to thaw, and thaws itself if the guard dies. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { relative } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { withLimit } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import type { DataDirectory } from '../data-directory.ts';
import type { AgentChannels, AgentOf } from '../guest/agent-channels.ts';
import { childEnvironment } from '../process/child-environment.ts';
import { guardErrors } from './errors.ts';
import { GuardMessage, type GuardTask } from './guard-protocol.ts';
import { thawForCertain } from './thaw.ts';

export interface GuardHost {
  readonly directory: DataDirectory;
  readonly agents: AgentChannels;
}

export interface Thawed {
  readonly frozenMs: number;
  /** Whatever was done between `freeze` and `thaw` was done while the guest was frozen. */
  readonly inTime: boolean;
}

type Message<Is extends GuardMessage['is']> = Extract<GuardMessage, { is: Is }>;

/** What the guard needs beside its limit: to start, and to be answered by a guest that is busy thawing. */
const graceMs = 20_000;
/** Within this a guard that lives and runs says that it thaws. */
const answerMs = 5_000;
const ownThawLimitMs = 60_000;

export class FreezeGuard implements AsyncDisposable {
  readonly #host: GuardHost;
  readonly #vm: AgentOf;
  readonly #lent: Disposable;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #limitMs: number;
  readonly #messages = new Map<GuardMessage['is'], PromiseWithResolvers<GuardMessage>>();
  readonly #since = performance.now();
  /** Of the guard's limit, for a guard that is stopped or stuck. */
  #limit: NodeJS.Timeout | undefined;
  #wasUnasked = false;
  #thawed: Promise<Thawed> | undefined;

  private constructor(
    host: GuardHost,
    vm: AgentOf,
    lent: Disposable,
    child: ChildProcessByStdio<Writable, Readable, null>,
    limitMs: number,
  ) {
    this.#host = host;
    this.#vm = vm;
    this.#lent = lent;
    this.#child = child;
    this.#limitMs = limitMs;
    for (const is of ['frozen', 'failed', 'thawing', 'thawed'] as const) {
      this.#messages.set(is, Promise.withResolvers());
      // Of these only those are awaited that can come.
      this.#messages.get(is)!.promise.catch(() => undefined);
    }
    this.#listen();
  }

  /**
   * Freezes the guest. It is thawed by `thaw` or disposal, and whatever happens within `limitMs` from the freeze on.
   *
   * @throws guard.frozen if somebody else is at it; guard.not-frozen, with the guest thawed
   */
  static async freeze(
    host: GuardHost,
    vm: AgentOf,
    limitMs: number,
    signal?: AbortSignal,
  ): Promise<FreezeGuard> {
    const { directory } = host;
    const lent = await host.agents.lend(vm);
    const task: GuardTask = {
      socket: relative(directory.root, directory.vm(vm.id).agentSocket),
      guest: `VM ${vm.name}`,
      limitMs,
      mark: directory.freezeMark(vm.id),
    };
    const program = fileURLToPath(new URL('./guard-process.ts', import.meta.url));
    const options = ['--disable-warning=ExperimentalWarning', program, JSON.stringify(task)];
    const cache = process.env['NODE_COMPILE_CACHE'];
    const child = spawn(process.execPath, options, {
      cwd: directory.root,
      // In a session of its own: what is sent to the daemon's does not reach it.
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...childEnvironment(), ...(cache === undefined ? {} : { NODE_COMPILE_CACHE: cache }) },
    });
    const guard = new FreezeGuard(host, vm, lent, child, limitMs);
    try {
      await guard.#untilFrozen(signal);
      return guard;
    } catch (cause) {
      await guard.thaw();
      signal?.throwIfAborted();
      throw guardErrors['not-frozen']({ vm: vm.name, reason: reasonOf(cause) }, { cause });
    }
  }

  /** Thaws the guest and ends the guard. Repeatable. @throws guard.thaw-failed */
  thaw(): Promise<Thawed> {
    this.#thawed ??= this.#thaw();
    return this.#thawed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.thaw();
  }

  /** What is done between freeze and thaw may take its time: the guest does not wait for it. */
  #thawUnasked(): void {
    if (this.#thawed) return;
    this.#wasUnasked = true;
    // Whoever thaws is told of a failure.
    this.thaw().catch(() => undefined);
  }

  #listen(): void {
    const child = this.#child;
    createInterface(child.stdout).on('line', (line) => {
      const message = GuardMessage.parse(JSON.parse(line));
      this.#messages.get(message.is)!.resolve(message);
    });
    const gone = (cause: Error): void => {
      for (const { reject } of this.#messages.values()) reject(cause);
      // Nobody bounds the freeze any more.
      this.#thawUnasked();
    };
    child.once('error', gone);
    child.once('close', () => gone(new Error('the guard has ended')));
    // It may be gone when it is told to thaw.
    child.stdin.on('error', () => undefined);
  }

  async #untilFrozen(signal: AbortSignal | undefined): Promise<void> {
    const failed = this.#messages.get('failed')!.promise.then((message) => {
      throw new Error((message as Message<'failed'>).reason);
    });
    await withLimit('Freezing the guest', this.#limitMs + graceMs, signal, () =>
      Promise.race([this.#messages.get('frozen')!.promise, failed]),
    );
    this.#limit = setTimeout(() => this.#thawUnasked(), this.#limitMs);
  }

  async #thaw(): Promise<Thawed> {
    clearTimeout(this.#limit);
    const says = <Is extends 'thawing' | 'thawed'>(is: Is, limitMs: number) =>
      withLimit('Thawing the guest', limitMs, undefined, () => this.#messages.get(is)!.promise) as Promise<
        Message<Is>
      >;
    try {
      this.#child.stdin.end('thaw\n');
      await says('thawing', answerMs);
      const message = await says('thawed', graceMs);
      return { frozenMs: message.frozenMs, inTime: message.because === 'told' && !this.#wasUnasked };
    } catch {
      // Dead, stopped or stuck, for whatever reason: the channel is taken from it.
      return await this.#thawInstead();
    } finally {
      this.#lent[Symbol.dispose]();
    }
  }

  async #thawInstead(): Promise<Thawed> {
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await using agent = this.#host.agents.open(this.#vm);
    await thawMarked(this.#host, this.#vm, agent);
    return { frozenMs: performance.now() - this.#since, inTime: false };
  }
}

async function thawMarked(
  host: GuardHost,
  vm: AgentOf,
  agent: ReturnType<AgentChannels['open']>,
): Promise<void> {
  try {
    await thawForCertain(agent, ownThawLimitMs);
  } catch (cause) {
    if (!isCorralError(cause)) throw cause;
    if (cause.code !== 'agent.not-connected') {
      throw guardErrors['thaw-failed']({ vm: vm.name, reason: cause.message }, { cause });
    }
  }
  await rm(host.directory.freezeMark(vm.id), { force: true });
}

/**
 * Thaws whatever an earlier daemon and its guards left frozen when all of them died. The first thing that a daemon does.
 *
 * @param vms all VMs of the host
 * @param onFailure told of guests that do not answer
 */
export async function thawLeftFrozen(
  host: GuardHost,
  vms: readonly AgentOf[],
  onFailure: (vm: AgentOf, cause: unknown) => void,
): Promise<readonly AgentOf[]> {
  const marked: AgentOf[] = [];
  for (const vm of vms) if (await host.directory.isMarkedFrozen(vm.id)) marked.push(vm);
  await Promise.all(
    marked.map(async (vm) => {
      await using agent = host.agents.open(vm);
      await thawMarked(host, vm, agent).catch((cause: unknown) => onFailure(vm, cause));
    }),
  );
  return marked;
}

function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.replace(/\.$/, '');
}
