/** A Unix socket that carries JSON values, one per line, in both directions. */
import { connect, type Socket } from 'node:net';
import { type JsonLine, type JsonLineLimits, JsonLineSplitter } from './json-lines.ts';

export interface LineSocketHandlers {
  /** Called before the lines of each piece that arrives. */
  readonly onBytes?: (count: number) => void;
  readonly onLine: (line: JsonLine) => void;
  /** Called once. `cause` is the socket's error, if it had one. */
  readonly onClose: (cause: Error | undefined) => void;
}

export class LineSocket {
  readonly #socket: Socket;
  readonly #splitter: JsonLineSplitter;

  private constructor(socket: Socket, limits: JsonLineLimits, handlers: LineSocketHandlers) {
    this.#socket = socket;
    this.#splitter = new JsonLineSplitter(limits);
    let cause: Error | undefined;
    socket.on('data', (chunk: Buffer) => {
      handlers.onBytes?.(chunk.length);
      for (const line of this.#splitter.push(chunk)) {
        if (socket.destroyed) return;
        handlers.onLine(line);
      }
    });
    socket.on('error', (error) => {
      cause = error;
    });
    socket.on('close', () => handlers.onClose(cause));
  }

  /** @throws the socket's own error (ENOENT, ECONNREFUSED, EACCES) or the reason of `signal`. */
  static open(
    path: string,
    limits: JsonLineLimits,
    handlers: LineSocketHandlers,
    signal: AbortSignal,
  ): Promise<LineSocket> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const socket = connect({ path });
      const settle = (): void => {
        signal.removeEventListener('abort', onAbort);
        socket.off('error', onError);
      };
      const onAbort = (): void => {
        settle();
        socket.on('error', reject); // The promise is settled by then; without a listener the process would end.
        socket.destroy();
        reject(signal.reason);
      };
      const onError = (error: Error): void => {
        settle();
        reject(error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      socket.once('error', onError);
      socket.once('connect', () => {
        settle();
        resolve(new LineSocket(socket, limits, handlers));
      });
    });
  }

  /** See `JsonLineSplitter.setMaxBytes`. */
  setMaxBytes(maxBytes: number): void {
    this.#splitter.setMaxBytes(maxBytes);
  }

  /** Writes one line. `delimiter`: a byte 0xFF before it, which makes a guest agent forget half a request. */
  send(value: unknown, options: { readonly delimiter?: boolean } = {}): void {
    const line = Buffer.from(`${JSON.stringify(value)}\n`);
    this.#socket.write(options.delimiter ? Buffer.concat([Buffer.of(0xff), line]) : line);
  }

  /** Bytes sent that the kernel has not taken yet, because the other side does not read. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
