/** One connection to an export: negotiates, sends requests within a window, and knows why it ended. */
import { withLimit } from '@corral/core/abort';
import { type CorralError, isCorralError } from '@corral/core/errors';
import { ByteSocket } from './byte-socket.ts';
import { ClientNegotiation, type NegotiatedExport } from './client-negotiation.ts';
import { nbdErrors } from './errors.ts';
import { PendingRequest } from './pending-request.ts';
import { COMMAND, encodeRequest } from './protocol.ts';
import { ReplyParser } from './reply-parser.ts';
import { RequestWindow } from './request-window.ts';

const CONNECT_LIMIT_MS = 10_000;
const WINDOW = 16;

export interface NbdCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds on the monotonic clock; 60 s unless told, for the whole call. */
  readonly limitMs?: number | undefined;
}

export interface NbdConnectOptions extends NbdCallOptions {
  readonly path: string;
  /** The server's default export unless told. */
  readonly exportName?: string | undefined;
  /** Metadata contexts to ask for, such as `base:allocation`. What the server lacks is left out. */
  readonly contexts?: readonly string[] | undefined;
  /** How messages call the export; `the export NAME at PATH` unless told. */
  readonly peer?: string | undefined;
  /** Requests under way at once; 16 unless told. */
  readonly window?: number | undefined;
}

export interface NbdCommand {
  readonly type: number;
  readonly flags?: number;
  readonly offset: number;
  readonly length: number;
  /** Of a read. */
  readonly target?: Buffer;
  /** Of a write. */
  readonly data?: Uint8Array;
}

const NAMES: Readonly<Record<number, string>> = {
  [COMMAND.read]: 'read',
  [COMMAND.write]: 'write',
  [COMMAND.flush]: 'flush',
  [COMMAND.trim]: 'trim',
  [COMMAND.writeZeroes]: 'write zeroes',
  [COMMAND.blockStatus]: 'block status',
};

/** For messages. */
export function commandName(type: number): string {
  return NAMES[type] ?? `command ${type}`;
}

export class NbdConnection {
  readonly peer: string;
  readonly #pending = new Map<bigint, PendingRequest>();
  readonly #window: RequestWindow;
  readonly #closed = Promise.withResolvers<CorralError>();
  #socket: ByteSocket | undefined;
  #closeReason: CorralError | undefined;
  #nextCookie = 1n;

  private constructor(peer: string, window: number) {
    this.peer = peer;
    this.#window = new RequestWindow(window);
  }

  /** @throws as `NbdClient.connect` */
  static async open(
    options: NbdConnectOptions,
  ): Promise<{ readonly connection: NbdConnection; readonly negotiated: NegotiatedExport }> {
    const connection = new NbdConnection(peerOf(options), options.window ?? WINDOW);
    const negotiated = await connection.#negotiate(options, (negotiation) =>
      negotiation.open(options.exportName ?? '', options.contexts ?? []),
    );
    connection.#transmit(negotiated.structured);
    return { connection, negotiated };
  }

  /** @throws as `NbdClient.connect` */
  static async listExports(options: NbdConnectOptions): Promise<readonly string[]> {
    const connection = new NbdConnection(peerOf(options), 1);
    const names = await connection.#negotiate(options, (negotiation) => negotiation.list());
    connection.#end(nbdErrors.closed({ peer: connection.peer }));
    return names;
  }

  get closed(): Promise<CorralError> {
    return this.#closed.promise;
  }

  /** Sends a request when the window has a place, and waits for its reply. @throws nbd.request-failed and others */
  async execute(command: NbdCommand, signal: AbortSignal): Promise<PendingRequest> {
    await this.#window.take(signal);
    if (this.#closeReason) throw this.#closeReason;
    const { type, offset, length } = command;
    const request = new PendingRequest(type, offset, length, command.target);
    const cookie = this.#nextCookie;
    this.#nextCookie += 1n;
    this.#pending.set(cookie, request);
    const header = encodeRequest({ type, flags: command.flags ?? 0, cookie, offset: BigInt(offset), length });
    if (command.data) this.#socket!.write(header, command.data);
    else this.#socket!.write(header);
    const onAbort = (): void => {
      request.abandon();
      request.reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await request.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    const { failure } = request;
    if (!failure) return request;
    throw nbdErrors['request-failed']({ peer: this.peer, command: commandName(type), ...failure });
  }

  /** Tells the server and ends the connection; what is pending rejects with nbd.closed. */
  async close(): Promise<void> {
    const none = { flags: 0, cookie: 0n, offset: 0n, length: 0 };
    if (!this.#closeReason) this.#socket?.write(encodeRequest({ ...none, type: COMMAND.disconnect }));
    this.#end(nbdErrors.closed({ peer: this.peer }));
    await this.closed;
  }

  /** Ends the connection because the other side broke the protocol. */
  breach(reason: string): CorralError {
    const error = nbdErrors.protocol({ peer: this.peer, reason });
    this.#end(error);
    return error;
  }

  async #negotiate<T>(
    options: NbdConnectOptions,
    work: (negotiation: ClientNegotiation) => Promise<T>,
  ): Promise<T> {
    const limitMs = options.limitMs ?? CONNECT_LIMIT_MS;
    try {
      return await withLimit(`Connecting to ${this.peer}`, limitMs, options.signal, async (signal) => {
        this.#socket = await this.#connected(options.path, signal);
        const negotiation = new ClientNegotiation(this.#socket, this.peer);
        await negotiation.greet();
        return await work(negotiation);
      });
    } catch (cause) {
      this.#end(nbdErrors.closed({ peer: this.peer }));
      if (!isCorralError(cause, 'core.timeout') || options.signal?.aborted) throw cause;
      throw nbdErrors['no-handshake']({ peer: this.peer, limitMs }, { cause });
    }
  }

  async #connected(path: string, signal: AbortSignal): Promise<ByteSocket> {
    const handlers = {
      lost: (cause: Error | undefined): CorralError =>
        nbdErrors['connection-lost']({ peer: this.peer }, { cause }),
      onClose: (reason: CorralError): void => this.#end(reason),
    };
    try {
      return await ByteSocket.open(path, handlers, signal);
    } catch (cause) {
      signal.throwIfAborted();
      throw nbdErrors['not-listening']({ peer: this.peer, path }, { cause });
    }
  }

  #transmit(structured: boolean): void {
    const table = {
      get: (cookie: bigint) => this.#pending.get(cookie),
      finished: (cookie: bigint): void => {
        this.#pending.delete(cookie);
        this.#window.give();
      },
    };
    const parser = new ReplyParser(this.peer, table, structured);
    this.#socket!.pipe((chunk) => {
      if (this.#closeReason) return;
      try {
        parser.push(chunk);
      } catch (cause) {
        if (!isCorralError(cause, 'nbd.protocol')) throw cause;
        this.#end(cause);
      }
    });
  }

  #end(reason: CorralError): void {
    if (this.#closeReason) return;
    this.#closeReason = reason;
    if (isCorralError(reason, 'nbd.closed')) this.#socket?.destroySoon();
    else this.#socket?.destroy();
    for (const request of this.#pending.values()) {
      request.abandon();
      request.reject(reason);
    }
    this.#pending.clear();
    this.#window.close(reason);
    this.#closed.resolve(reason);
  }
}

function peerOf(options: NbdConnectOptions): string {
  const { exportName, path } = options;
  return options.peer ?? (exportName ? `the export "${exportName}" at ${path}` : `the export at ${path}`);
}
