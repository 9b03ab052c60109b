/**
 * Calls of a guest agent (QEMU's docs/interop/qemu-ga-ref): one at a time, each bounded in time and size.
 *
 * QEMU serves one client of the channel's socket at a time, so the channel connects for a session of calls and
 * closes when it was idle for a while. The agent numbers nothing: an answer belongs to the request before it. After
 * each connect and each doubt (limit, abort, garbage) the two sides are brought in step by `guest-sync-delimited`
 * with a random number; whatever comes before its answer belongs to the past.
 *
 *   closed ─ connect ─→ out of step ─ sync ─→ in step ─ request, answer ─→ in step ─ idle ─→ closed
 *                           ↑__________ limit, abort, garbage __________|
 */
import { randomInt } from 'node:crypto';
import { withLimit } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import type { z } from 'zod';
import { AgentConnection, ANSWER_BYTES } from './agent-connection.ts';
import { agentErrors } from './errors.ts';
import type { JsonLine } from './json-lines.ts';

const CALL_LIMIT_MS = 10_000;
const IDLE_MS = 1000;
const QUEUE_LIMIT = 100;

export interface AgentCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds on the monotonic clock, waiting for earlier calls included. */
  readonly limitMs?: number | undefined;
}

export interface AgentChannelOptions {
  /** The socket of QEMU's chardev. */
  readonly path: string;
  /** How messages call the guest, such as `VM hello`. */
  readonly guest: string;
  /** How long the connection stays open after a call; 1 s unless told. */
  readonly idleMs?: number | undefined;
  /** Limit of a call that is given none; 10 s unless told. */
  readonly limitMs?: number | undefined;
}

/** One call's time with the agent. */
interface Turn {
  readonly command: string;
  readonly signal: AbortSignal;
  /** What came instead of an answer to the sync, if anything did. */
  strange: string | undefined;
}

type TurnWork<T> = (connection: AgentConnection, turn: Turn) => Promise<T>;

interface SizedCallOptions extends AgentCallOptions {
  /** The longest answer in bytes; 1 MiB unless told. */
  readonly answerBytes?: number;
}

export class AgentChannel implements AsyncDisposable {
  readonly guest: string;
  readonly #path: string;
  readonly #idleMs: number;
  readonly #limitMs: number;
  #connection: AgentConnection | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #holds = 0;
  #idleTimer: NodeJS.Timeout | undefined;
  #command = '';
  #closed = false;

  constructor(options: AgentChannelOptions) {
    this.guest = options.guest;
    this.#path = options.path;
    this.#idleMs = options.idleMs ?? IDLE_MS;
    this.#limitMs = options.limitMs ?? CALL_LIMIT_MS;
  }

  /**
   * Calls a command and parses what it returns.
   *
   * @throws agent.not-connected, agent.not-responding, agent.connection-lost, agent.garbage, agent.answer-too-large,
   * agent.command-missing, agent.command-disabled, agent.command-failed, agent.busy, agent.closed; the signal's reason.
   */
  async call<S extends z.ZodType>(
    command: string,
    args: Readonly<Record<string, unknown>> | undefined,
    shape: S,
    options: SizedCallOptions = {},
  ): Promise<z.output<S>> {
    return await this.#queued(command, options, async (connection, turn) => {
      connection.synced = false;
      connection.send(request(command, args), options.answerBytes ?? ANSWER_BYTES);
      const line = await connection.receive((received) => received, turn.signal);
      const answer = this.#answer(command, line, options.answerBytes ?? ANSWER_BYTES);
      connection.synced = true;
      if ('error' in answer) throw this.#refusal(command, answer.error);
      return this.#parsed(command, shape, answer.value);
    });
  }

  /**
   * Calls a command that answers only when it fails (`success-response: false` in QEMU's schema). A sync is sent
   * behind it: its answer, or silence until the limit because the guest is going down, both mean success.
   *
   * @throws as `call`, except agent.not-responding and agent.connection-lost once the command was sent.
   */
  async callSilent(
    command: string,
    args: Readonly<Record<string, unknown>> | undefined,
    options: AgentCallOptions & { readonly silenceMs: number },
  ): Promise<void> {
    await this.#queued(command, options, async (connection, turn) => {
      connection.synced = false;
      connection.send(request(command, args), ANSWER_BYTES);
      try {
        const refused = await withLimit(command, options.silenceMs, turn.signal, (signal) =>
          this.#syncBehind(connection, signal),
        );
        connection.synced = true;
        if (refused !== undefined) throw this.#refusal(command, refused);
      } catch (cause) {
        const silent = isCorralError(cause, 'core.timeout') && !turn.signal.aborted;
        if (!silent && !isCorralError(cause, 'agent.connection-lost')) throw cause;
        // Expected: a guest that goes down or to sleep does not answer any more.
      }
    });
  }

  /** Keeps the connection open between calls until disposed: nobody else can take the channel meanwhile. */
  hold(): Disposable {
    let held = true;
    this.#holds += 1;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#holds -= 1;
        this.#rest();
      },
    };
  }

  /** Ends the connection and refuses calls from now on; those under way reject. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    this.#connection?.close();
    this.#connection = undefined;
    await this.#last;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #queued<T>(command: string, options: AgentCallOptions, work: TurnWork<T>): Promise<T> {
    options.signal?.throwIfAborted();
    if (this.#closed) throw agentErrors.closed({ guest: this.guest });
    if (this.#waiting >= QUEUE_LIMIT) throw agentErrors.busy({ guest: this.guest, limit: QUEUE_LIMIT });
    const limitMs = options.limitMs ?? this.#limitMs;
    const before = this.#last;
    const { promise: turnOver, resolve: endTurn } = Promise.withResolvers<void>();
    this.#last = before.then(() => turnOver);
    this.#waiting += 1;
    let turn: Turn | undefined;
    try {
      return await withLimit(command, limitMs, options.signal, async (signal) => {
        try {
          await before;
          signal.throwIfAborted();
          turn = { command, signal, strange: undefined };
          return await this.#turn(turn, work);
        } finally {
          endTurn();
        }
      });
    } catch (cause) {
      if (!isCorralError(cause, 'core.timeout') || options.signal?.aborted) throw cause;
      const { guest } = this;
      if (turn?.strange) throw agentErrors.garbage({ guest, command, reason: turn.strange }, { cause });
      throw agentErrors['not-responding']({ guest, command, limitMs }, { cause });
    } finally {
      this.#waiting -= 1;
      this.#rest();
    }
  }

  async #turn<T>(turn: Turn, work: TurnWork<T>): Promise<T> {
    clearTimeout(this.#idleTimer);
    this.#command = turn.command;
    const connection = await this.#connected(turn.signal);
    try {
      if (!connection.synced) await this.#sync(connection, turn);
      return await work(connection, turn);
    } finally {
      // The rest of a request that the other side does not read would only pile up.
      if (turn.signal.aborted && connection.hasUnsent) connection.close();
    }
  }

  async #connected(signal: AbortSignal): Promise<AgentConnection> {
    if (this.#closed) throw agentErrors.closed({ guest: this.guest });
    if (this.#connection?.isOpen) return this.#connection;
    const lost = () =>
      this.#closed
        ? agentErrors.closed({ guest: this.guest })
        : agentErrors['connection-lost']({ guest: this.guest, command: this.#command });
    try {
      this.#connection = await AgentConnection.open(this.#path, lost, signal);
    } catch (cause) {
      signal.throwIfAborted();
      throw agentErrors['not-connected']({ guest: this.guest, path: this.#path }, { cause });
    }
    if (this.#closed) this.#connection.close();
    return this.#connection;
  }

  /** Brings both sides in step, whatever of the past is still on its way. */
  async #sync(connection: AgentConnection, turn: Turn): Promise<void> {
    const id = newSyncId();
    connection.send(request('guest-sync-delimited', { id }), ANSWER_BYTES, true);
    await connection.receive((line) => {
      if (isReturn(line, id)) return true;
      if (line.kind === 'garbage') turn.strange = line.reason;
      return undefined;
    }, turn.signal);
    connection.synced = true;
  }

  /**
   * Waits for all that was sent to be done with. Without the delimiter, which the agent answers with an error
   * when it was in step.
   *
   * @returns the error that came before the answer, if one did.
   */
  async #syncBehind(connection: AgentConnection, signal: AbortSignal): Promise<unknown> {
    const id = newSyncId();
    let failure: unknown;
    connection.send(request('guest-sync', { id }), ANSWER_BYTES);
    await connection.receive((line) => {
      if (isReturn(line, id)) return true;
      if (line.kind === 'value' && isRecord(line.value)) failure ??= line.value['error'];
      return undefined;
    }, signal);
    return failure;
  }

  #answer(command: string, line: JsonLine, maxBytes: number): { value: unknown } | { error: unknown } {
    const { guest } = this;
    if (line.kind === 'garbage') {
      if (line.reason !== 'too long') throw agentErrors.garbage({ guest, command, reason: line.reason });
      throw agentErrors['answer-too-large']({ guest, command, limitBytes: maxBytes });
    }
    if (isRecord(line.value)) {
      if ('return' in line.value) return { value: line.value['return'] };
      if ('error' in line.value) return { error: line.value['error'] };
    }
    throw agentErrors.garbage({ guest, command, reason: 'neither a result nor an error' });
  }

  #refusal(command: string, failure: unknown): Error {
    const { class: name, desc } = isRecord(failure) ? failure : {};
    const params = { guest: this.guest, command, desc: String(desc ?? 'no reason given').slice(0, 1000) };
    if (/has been disabled/.test(params.desc)) return agentErrors['command-disabled'](params);
    if (name === 'CommandNotFound' || /not currently supported/.test(params.desc)) {
      return agentErrors['command-missing']({ guest: this.guest, command });
    }
    return agentErrors['command-failed']({ ...params, class: String(name ?? 'GenericError').slice(0, 100) });
  }

  #parsed<S extends z.ZodType>(command: string, shape: S, value: unknown): z.output<S> {
    const parsed = shape.safeParse(value);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    const reason = `${['its answer', ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'another shape'}`;
    throw agentErrors.garbage({ guest: this.guest, command, reason: reason.slice(0, 300) });
  }

  /** Starts the idle time when nothing is left to do. */
  #rest(): void {
    clearTimeout(this.#idleTimer);
    if (this.#waiting > 0 || this.#holds > 0 || !this.#connection) return;
    this.#idleTimer = setTimeout(() => {
      this.#connection?.close();
      this.#connection = undefined;
    }, this.#idleMs);
  }
}

function request(command: string, args: Readonly<Record<string, unknown>> | undefined): unknown {
  return { execute: command, ...(args === undefined ? {} : { arguments: args }) };
}

/** Below 2^53, so that it comes back as it went. */
function newSyncId(): number {
  return randomInt(2 ** 47);
}

function isReturn(line: JsonLine, value: number): boolean {
  return line.kind === 'value' && isRecord(line.value) && line.value['return'] === value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
