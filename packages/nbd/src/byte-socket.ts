/**
 * A socket whose bytes go to one taker at a time: first to reads of exact length while the two sides negotiate,
 * then as they come to a parser.
 */
import { connect, type Socket } from 'node:net';
import type { CorralError } from '@corral/core/errors';

/** A larger piece per system call than Node's 64 KiB; 256 KiB holds what a Unix socket buffers. */
const RECEIVE_BYTES = 256 * 1024;

/** What may wait for a reader during the negotiation before the peer is no longer listened to. */
const HELD_BYTES = 2 ** 20;

export interface ByteSocketHandlers {
  /** The error for who still reads when the connection ends. `cause` is the socket's error, if it had one. */
  readonly lost: (cause: Error | undefined) => CorralError;
  /** Called once, when the connection has ended. */
  readonly onClose: (reason: CorralError) => void;
}

interface Reader {
  readonly target: Buffer;
  readonly resolve: (bytes: Buffer) => void;
  readonly reject: (reason: unknown) => void;
}

export class ByteSocket {
  readonly #socket: Socket;
  /** What arrived before anybody asked for it. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #reader: Reader | undefined;
  #have = 0;
  #sink: ((chunk: Buffer) => void) | undefined;
  #lost: CorralError | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Takes over a socket that a server accepted. */
  static accepted(socket: Socket, handlers: ByteSocketHandlers): ByteSocket {
    const bytes = new ByteSocket(socket);
    socket.on('data', (chunk: Buffer) => bytes.#receive(chunk));
    bytes.#watch(handlers);
    return bytes;
  }

  /** @throws the socket's own error (ENOENT, ECONNREFUSED, EACCES) or the reason of `signal`. */
  static open(path: string, handlers: ByteSocketHandlers, signal: AbortSignal): Promise<ByteSocket> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const onread = {
        buffer: Buffer.allocUnsafeSlow(RECEIVE_BYTES),
        callback: (count: number, buffer: Uint8Array): boolean => {
          bytes.#receive(Buffer.from(buffer.buffer, buffer.byteOffset, count));
          return true;
        },
      };
      const socket = connect({ path, onread });
      const bytes = new ByteSocket(socket);
      const onAbort = (): void => {
        socket.destroy();
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      socket.on('error', reject); // After the promise is settled this does nothing, and keeps the process alive.
      socket.once('connect', () => {
        signal.removeEventListener('abort', onAbort);
        bytes.#watch(handlers);
        resolve(bytes);
      });
      socket.once('error', () => signal.removeEventListener('abort', onAbort));
    });
  }

  /**
   * Waits for exactly `length` bytes, which the caller may keep. One read at a time, and none after `pipe`. Memory is
   * taken at once, so the length must have been checked.
   *
   * @throws what `lost` makes when the connection ends.
   */
  read(length: number): Promise<Buffer> {
    if (this.#lost) return Promise.reject(this.#lost);
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    this.#reader = { target: Buffer.allocUnsafe(length), resolve, reject };
    this.#have = 0;
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    if (length === 0) this.#receive(Buffer.alloc(0));
    for (const chunk of held) this.#receive(chunk);
    if (this.#heldBytes <= HELD_BYTES) this.#socket.resume();
    return promise;
  }

  /** From now on `sink` gets what arrives, beginning with what was not read yet. It must not keep the chunk. */
  pipe(sink: (chunk: Buffer) => void): void {
    this.#sink = sink;
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const chunk of held) sink(chunk);
    this.#socket.resume();
  }

  /** Writes the parts in one go; they must not change until the peer has answered. */
  write(...parts: readonly Uint8Array[]): void {
    if (this.#socket.destroyed) return;
    if (parts.length > 1) this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    if (parts.length > 1) this.#socket.uncork();
  }

  /** As `write`; resolves when the kernel has taken all, or the connection has ended. */
  async send(...parts: readonly Uint8Array[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.write(...parts);
    this.#socket.write('', () => resolve());
    await promise;
  }

  /** Sends what was written, then ends the connection. */
  destroySoon(): void {
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #watch(handlers: ByteSocketHandlers): void {
    let cause: Error | undefined;
    this.#socket.on('error', (error) => {
      cause = error;
    });
    this.#socket.on('close', () => {
      this.#lost = handlers.lost(cause);
      this.#reader?.reject(this.#lost);
      this.#reader = undefined;
      handlers.onClose(this.#lost);
    });
  }

  #receive(chunk: Buffer): void {
    if (this.#sink) this.#sink(chunk);
    else if (this.#reader) this.#fill(this.#reader, chunk);
    else if (chunk.length > 0) this.#hold(chunk);
  }

  #fill(reader: Reader, chunk: Buffer): void {
    const used = chunk.copy(reader.target, this.#have);
    this.#have += used;
    if (this.#have < reader.target.length) return;
    this.#reader = undefined;
    reader.resolve(reader.target);
    if (used < chunk.length) this.#hold(chunk.subarray(used));
  }

  #hold(chunk: Buffer): void {
    this.#held.push(Buffer.from(chunk));
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > HELD_BYTES) this.#socket.pause();
  }
}
