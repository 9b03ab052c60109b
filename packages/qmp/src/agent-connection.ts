/** One connection to a guest agent's channel. Lines go to who waits for them; what nobody asked for is suspect. */
import type { CorralError } from '@corral/core/errors';
import type { JsonLine } from './json-lines.ts';
import { LineSocket } from './line-socket.ts';

/** An answer is shallow; the agent's own information is the longest of those without a bound of their own. */
export const ANSWER_BYTES = 2 ** 20;
const LIMITS = { maxBytes: ANSWER_BYTES, maxDepth: 32 };
/** What may arrive unasked before the connection is given up, so that a babbling guest costs no processor time. */
const UNASKED_BYTES = 256 * 1024;

interface Taker {
  readonly take: (line: JsonLine) => boolean;
  readonly reject: (reason: unknown) => void;
}

export class AgentConnection {
  /** Whether the next line will be the answer to the next request. False until a sync, and after each doubt. */
  synced = false;
  readonly #lost: () => CorralError;
  #socket: LineSocket | undefined;
  #taker: Taker | undefined;
  #unasked = 0;
  #open = true;

  private constructor(lost: () => CorralError) {
    this.#lost = lost;
  }

  /**
   * @param lost makes the error for those who wait when the connection ends.
   * @throws the socket's own error; the reason of `signal`.
   */
  static async open(path: string, lost: () => CorralError, signal: AbortSignal): Promise<AgentConnection> {
    const connection = new AgentConnection(lost);
    const handlers = {
      onBytes: (count: number): void => connection.#count(count),
      onLine: (line: JsonLine): void => connection.#receive(line),
      onClose: (): void => connection.close(),
    };
    connection.#socket = await LineSocket.open(path, LIMITS, handlers, signal);
    return connection;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Whether part of what was sent was not yet taken by the other side. */
  get hasUnsent(): boolean {
    return this.#socket!.unsentBytes > 0;
  }

  /** Sends a request whose answer may have `maxBytes`. `delimiter`: makes the agent forget half a request. */
  send(request: unknown, maxBytes: number, delimiter = false): void {
    this.#socket!.setMaxBytes(maxBytes);
    this.#socket!.send(request, { delimiter });
  }

  /** Gives `take` each line until it returns something. One waits at a time. */
  async receive<T>(take: (line: JsonLine) => T | undefined, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    if (!this.#open) throw this.#lost();
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const taker = {
      take: (line: JsonLine): boolean => {
        const taken = take(line);
        if (taken !== undefined) resolve(taken);
        return taken !== undefined;
      },
      reject,
    };
    this.#taker = taker;
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      if (this.#taker === taker) this.#taker = undefined;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket?.destroy();
    this.#taker?.reject(this.#lost());
    this.#taker = undefined;
  }

  #count(bytes: number): void {
    this.#unasked = this.#taker ? 0 : this.#unasked + bytes;
    if (this.#unasked > UNASKED_BYTES) this.close();
  }

  #receive(line: JsonLine): void {
    if (!this.#taker) this.synced = false;
    else if (this.#taker.take(line)) this.#taker = undefined;
  }
}
