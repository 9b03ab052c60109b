/**
 * Client of QEMU's monitor over its Unix socket (QEMU's docs/interop/qmp-spec).
 *
 *   connect ─ greeting ─ qmp_capabilities ─→ ready ─ close() or loss ─→ closed, for good
 *
 * Commands may be sent while others are under way; QEMU carries them out in order, except those out of band.
 * A limit or an abort ends the waiting, not the command: QEMU may still carry it out, and its answer is dropped.
 * After a loss, connect again and ask for the state: which events were missed is not known.
 *
 * Whole numbers beyond 2^53 lose their last digits, as everywhere in JSON on this platform; of what Corral
 * uses, only unlimited rates come near.
 */
import { delay, withLimit } from '@corral/core/abort';
import { type CorralError, isCorralError } from '@corral/core/errors';
import type { VersionInfo } from './commands/machine.ts';
import { qmpErrors } from './errors.ts';
import { EventQueue } from './event-queue.ts';
import type { JsonLine } from './json-lines.ts';
import { LineSocket } from './line-socket.ts';
import type { QmpArguments, QmpCommandName, QmpReturns } from './qmp-commands.ts';
import type { QmpEvent, QmpEventName, QmpEventNamed } from './qmp-events.ts';
import { parseMessage, refusal } from './qmp-message.ts';

const CONNECT_LIMIT_MS = 10_000;
/** Between attempts while QEMU starts, which takes some tens of milliseconds. */
const STARTING_MS = 5;
const COMMAND_LIMIT_MS = 60_000;
/** The schema of QEMU 10 is about 250 KiB; a chain of 50 layers with bitmaps, listed by node, a few MiB. */
const LINE_LIMITS = { maxBytes: 64 * 2 ** 20, maxDepth: 256 };
const EVENT_LIMIT = 10_000;

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds on the monotonic clock. */
  readonly limitMs?: number | undefined;
}

export interface QmpConnectOptions extends CallOptions {
  /** How messages call the other side; `the monitor at PATH` unless told. */
  readonly peer?: string | undefined;
  /**
   * QEMU was just started: a socket that is not there, or that nobody listens at yet, is tried again until the limit.
   * (The file appears a moment before QEMU listens.)
   */
  readonly starting?: boolean | undefined;
}

/** Arguments may be left out where the command needs none. */
export type QmpCall<C extends QmpCommandName> =
  Record<never, never> extends QmpArguments<C>
    ? [args?: QmpArguments<C> | undefined, options?: CallOptions]
    : [args: QmpArguments<C>, options?: CallOptions];

/** Commands that may overtake those under way (`allow-oob` in QEMU's schema). */
export type OutOfBandCommand = 'yank' | 'query-yank' | 'migrate-pause' | 'migrate-recover';

export interface WaitOptions extends CallOptions {
  readonly limitMs: number;
  /** The level is asked for again after each of these. */
  readonly events: readonly QmpEventName[];
  /** And after this time, for a level that can change without an event. */
  readonly everyMs?: number | undefined;
  /** And each time that what is given here is called, until the handle that it returns is disposed: signs of other kinds. */
  readonly signs?: ((sign: () => void) => Disposable) | undefined;
}

interface PendingCall {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

export class QmpClient implements AsyncDisposable {
  readonly path: string;
  readonly peer: string;
  #version: VersionInfo | undefined;
  #outOfBand = false;
  #socket: LineSocket | undefined;
  #nextId = 1;
  readonly #pending = new Map<number, PendingCall>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #queues = new Set<EventQueue<QmpEvent>>();
  readonly #onLoss = new Set<(reason: CorralError) => void>();
  readonly #greeted = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<CorralError>();
  #closeReason: CorralError | undefined;

  private constructor(path: string, peer: string) {
    this.path = path;
    this.peer = peer;
  }

  /**
   * Connects, reads the greeting and leaves negotiation mode.
   *
   * @throws qmp.not-listening, qmp.no-greeting, qmp.protocol, qmp.connection-lost; the signal's reason.
   */
  static async connect(path: string, options: QmpConnectOptions = {}): Promise<QmpClient> {
    const client = new QmpClient(path, options.peer ?? `the monitor at ${path}`);
    const limitMs = options.limitMs ?? CONNECT_LIMIT_MS;
    try {
      await withLimit(`Connecting to ${client.peer}`, limitMs, options.signal, (signal) =>
        client.#open(options.starting ?? false, signal),
      );
      return client;
    } catch (cause) {
      await client.close();
      if (!isCorralError(cause, 'core.timeout') || options.signal?.aborted) throw cause;
      const { peer } = client;
      if (!client.#socket) throw qmpErrors['not-listening']({ peer, path }, { cause });
      throw qmpErrors['no-greeting']({ peer, path, limitMs }, { cause });
    }
  }

  get version(): VersionInfo {
    return this.#version!;
  }

  /** Whether commands out of band were offered, and so enabled. */
  get outOfBand(): boolean {
    return this.#outOfBand;
  }

  /** Resolves when the connection has ended, with the reason: qmp.connection-lost, qmp.protocol or qmp.closed. */
  get closed(): Promise<CorralError> {
    return this.#closed.promise;
  }

  /**
   * Has QEMU carry out a command and returns what it returns.
   *
   * @throws qmp.command-missing, qmp.device-not-found, qmp.device-not-active, qmp.command-failed when QEMU refuses;
   * qmp.connection-lost, qmp.closed; core.timeout; the signal's reason.
   */
  async execute<C extends QmpCommandName>(command: C, ...call: QmpCall<C>): Promise<QmpReturns<C>> {
    return (await this.#call('execute', command, call[0], call[1])) as QmpReturns<C>;
  }

  /** As `execute`, overtaking the commands under way. @throws qmp.no-out-of-band too. */
  async executeOutOfBand<C extends OutOfBandCommand>(
    command: C,
    ...call: QmpCall<C>
  ): Promise<QmpReturns<C>> {
    if (!this.#outOfBand) throw qmpErrors['no-out-of-band']({ peer: this.peer, command });
    return (await this.#call('exec-oob', command, call[0], call[1])) as QmpReturns<C>;
  }

  /** Calls `listener`, which must not throw, for each event from now on until disposed. */
  subscribe(listener: (event: QmpEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /**
   * The events from this call on, optionally of some names alone. Ends when disposed or left, and after `close`.
   * The iteration throws qmp.connection-lost, qmp.protocol, or qmp.events-overrun if it is not read.
   */
  events<N extends QmpEventName = QmpEventName>(
    ...names: readonly N[]
  ): AsyncIterableIterator<QmpEventNamed<N>> & Disposable {
    const overrun = (): Error => qmpErrors['events-overrun']({ peer: this.peer, limit: EVENT_LIMIT });
    const wanted: ReadonlySet<string> = new Set(names);
    const subscription = this.subscribe((event) => {
      if (wanted.size === 0 || wanted.has(event.name)) queue.push(event);
    });
    const queue = new EventQueue<QmpEvent>(EVENT_LIMIT, overrun, () => {
      subscription[Symbol.dispose]();
      this.#queues.delete(queue);
    });
    this.#queues.add(queue);
    if (this.#closeReason) endQueue(queue, this.#closeReason);
    return queue as unknown as AsyncIterableIterator<QmpEventNamed<N>> & Disposable;
  }

  /**
   * Waits for a level, not for an edge: asks `level` at once, after each of the named events and signs and every `everyMs`,
   * until it returns something other than `undefined`. It listens before it asks, so no change is missed.
   *
   * @param what names the wait in core.timeout, as the beginning of a sentence.
   * @throws what `level` throws; qmp.connection-lost; core.timeout; the signal's reason.
   */
  async waitFor<T>(
    what: string,
    level: (signal: AbortSignal) => Promise<T | undefined>,
    options: WaitOptions,
  ): Promise<T> {
    const wanted: ReadonlySet<string> = new Set(options.events);
    let wake = Promise.withResolvers<void>();
    using _subscription = this.subscribe((event) => {
      if (wanted.has(event.name)) wake.resolve();
    });
    using _signs = options.signs?.(() => wake.resolve());
    return await withLimit(what, options.limitMs, options.signal, async (signal) => {
      for (;;) {
        wake = Promise.withResolvers<void>();
        const reached = await level(signal);
        if (reached !== undefined) return reached;
        signal.throwIfAborted();
        await this.#woken(wake.promise, options.everyMs, signal);
      }
    });
  }

  /** Ends the connection; what is pending rejects with qmp.closed. QEMU runs on. */
  async close(): Promise<void> {
    this.#end(qmpErrors.closed({ peer: this.peer }));
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(starting: boolean, signal: AbortSignal): Promise<void> {
    this.#socket = await this.#connected(starting, signal);
    if (this.#closeReason) this.#socket.destroy();
    await this.#orLoss(this.#greeted.promise);
    await this.execute('qmp_capabilities', this.#outOfBand ? { enable: ['oob'] } : {}, { signal });
  }

  async #connected(starting: boolean, signal: AbortSignal): Promise<LineSocket> {
    const handlers = {
      onLine: (line: JsonLine): void => this.#receive(line),
      onClose: (cause: Error | undefined): void =>
        this.#end(qmpErrors['connection-lost']({ peer: this.peer }, { cause })),
    };
    for (;;) {
      try {
        return await LineSocket.open(this.path, LINE_LIMITS, handlers, signal);
      } catch (cause) {
        signal.throwIfAborted();
        // It listened, and ended before it took the connection: a QEMU that refuses its command line late does so.
        if (hasCode(cause, 'ECONNRESET')) throw qmpErrors['connection-lost']({ peer: this.peer }, { cause });
        if (!starting || !isNotYet(cause)) {
          throw qmpErrors['not-listening']({ peer: this.peer, path: this.path }, { cause });
        }
      }
      await delay(STARTING_MS, signal);
    }
  }

  async #call(
    verb: 'execute' | 'exec-oob',
    command: string,
    args: unknown,
    options?: CallOptions,
  ): Promise<unknown> {
    if (this.#closeReason) throw this.#closeReason;
    const id = this.#nextId;
    this.#nextId += 1;
    const what = `The command "${command}" to ${this.peer}`;
    try {
      return await withLimit(what, options?.limitMs ?? COMMAND_LIMIT_MS, options?.signal, () => {
        const { promise, resolve, reject } = Promise.withResolvers<unknown>();
        this.#pending.set(id, { command, resolve, reject });
        this.#socket!.send({ [verb]: command, ...(args === undefined ? {} : { arguments: args }), id });
        return promise;
      });
    } finally {
      this.#pending.delete(id);
    }
  }

  /** Resolves at the wake-up or after `everyMs`; rejects when the connection ends or `signal` aborts. */
  async #woken(wake: Promise<void>, everyMs: number | undefined, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = everyMs === undefined ? undefined : setTimeout(resolve, everyMs);
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await this.#orLoss(Promise.race([promise, wake]));
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** `work`, unless the connection ends first. Leaves nothing behind on a connection that lives long. */
  async #orLoss<T>(work: Promise<T>): Promise<T> {
    if (this.#closeReason) throw this.#closeReason;
    const { promise, reject } = Promise.withResolvers<never>();
    this.#onLoss.add(reject);
    try {
      return await Promise.race([work, promise]);
    } finally {
      this.#onLoss.delete(reject);
    }
  }

  #receive(line: JsonLine): void {
    if (line.kind === 'garbage') {
      this.#protocolError(line.reason, line.excerpt);
      return;
    }
    const message = parseMessage(line.value);
    if (message.kind === 'event') {
      for (const listener of [...this.#listeners]) listener(message.event);
    } else if (message.kind === 'return') {
      this.#pendingCall(message.id)?.resolve(message.value);
    } else if (message.kind === 'greeting') {
      this.#version = message.version;
      this.#outOfBand = message.outOfBand;
      this.#greeted.resolve();
    } else if (message.kind === 'error' && message.id !== undefined) {
      const call = this.#pendingCall(message.id);
      call?.reject(refusal(this.peer, call.command, message.failure));
    } else {
      // An error without an id says that QEMU could not read what was sent, so no answer would ever come.
      this.#protocolError('unexpected message', JSON.stringify(line.value).slice(0, 200));
    }
  }

  /** Undefined for an answer that nobody waits for any more. */
  #pendingCall(id: unknown): PendingCall | undefined {
    return typeof id === 'number' ? this.#pending.get(id) : undefined;
  }

  #protocolError(reason: string, excerpt: string): void {
    this.#end(qmpErrors.protocol({ peer: this.peer, reason, excerpt }));
  }

  #end(reason: CorralError): void {
    if (this.#closeReason) return;
    this.#closeReason = reason;
    this.#socket?.destroy();
    for (const call of this.#pending.values()) call.reject(reason);
    this.#pending.clear();
    for (const reject of this.#onLoss) reject(reason);
    for (const queue of [...this.#queues]) endQueue(queue, reason);
    this.#listeners.clear();
    this.#closed.resolve(reason);
  }
}

/** The socket's file is not there yet, or QEMU has bound it and does not listen yet. */
function isNotYet(cause: unknown): boolean {
  return hasCode(cause, 'ENOENT') || hasCode(cause, 'ECONNREFUSED');
}

function hasCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === code;
}

function endQueue(queue: EventQueue<QmpEvent>, reason: CorralError): void {
  if (isCorralError(reason, 'qmp.closed')) queue.finish();
  else queue.fail(reason);
}
