/** A small NBD server on a Unix socket. What it speaks and in which bounds: docs/formats/nbd.md. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { withLimit } from '@corral/core/abort';
import { type CorralError, isCorralError } from '@corral/core/errors';
import { ByteSocket } from './byte-socket.ts';
import { nbdErrors } from './errors.ts';
import type { NbdExport } from './nbd-export.ts';
import { ServerConnection } from './server-connection.ts';
import { ServerNegotiation } from './server-negotiation.ts';

const NEGOTIATION_LIMIT_MS = 10_000;
const MAX_CONNECTIONS = 16;

export interface NbdServerOptions {
  /** The socket's file is made with mode 0600, and removed at the end. It must not exist. */
  readonly path: string;
  /** By name; `''` is the default one. What is added or removed later counts for new connections. */
  readonly exports: ReadonlyMap<string, NbdExport>;
  /** Told of what exports throw and of clients that break the protocol; must not throw. */
  readonly onError: (error: unknown) => void;
  /** Connections beyond are closed at once; 16 unless told. */
  readonly maxConnections?: number;
}

export class NbdServer implements AsyncDisposable {
  readonly path: string;
  readonly #options: NbdServerOptions;
  readonly #server: Server;
  readonly #stop = new AbortController();
  readonly #connections = new Set<Promise<void>>();

  private constructor(options: NbdServerOptions) {
    this.path = options.path;
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** @throws nbd.socket-in-use */
  static async listen(options: NbdServerOptions): Promise<NbdServer> {
    const server = new NbdServer(options);
    // The file gets its mode from the umask while it is bound, which happens within this call.
    const before = process.umask(0o177);
    try {
      server.#server.listen(options.path);
    } finally {
      process.umask(before);
    }
    try {
      await once(server.#server, 'listening');
    } catch (cause) {
      if (!(cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE')) throw cause;
      throw nbdErrors['socket-in-use']({ path: options.path }, { cause });
    }
    return server;
  }

  /** Clients that are connected. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Ends all connections; resolves when the last function of an export has returned. */
  async close(): Promise<void> {
    this.#stop.abort(nbdErrors.closed({ peer: `the NBD server at ${this.path}` }));
    if (this.#server.listening) {
      const closed = once(this.#server, 'close');
      this.#server.close();
      await closed;
    }
    await Promise.allSettled(this.#connections);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= (this.#options.maxConnections ?? MAX_CONNECTIONS)) {
      socket.destroy();
      return;
    }
    const connection = this.#serve(socket).finally(() => this.#connections.delete(connection));
    this.#connections.add(connection);
  }

  /** Never rejects: what goes wrong ends this connection and is reported. */
  async #serve(socket: Socket): Promise<void> {
    const gone = new AbortController();
    const { path } = this;
    const bytes = ByteSocket.accepted(socket, {
      lost: (cause): CorralError => nbdErrors['client-gone']({ path }, { cause }),
      onClose: (reason) => gone.abort(reason),
    });
    const onStop = (): void => bytes.destroy();
    this.#stop.signal.addEventListener('abort', onStop, { once: true });
    try {
      await this.#converse(bytes, gone.signal);
      bytes.destroySoon();
    } catch (cause) {
      bytes.destroy();
      // Expected: clients come and go as they like, with or without a goodbye.
      if (!isCorralError(cause, 'nbd.client-gone')) this.#options.onError(cause);
    } finally {
      this.#stop.signal.removeEventListener('abort', onStop);
    }
  }

  async #converse(bytes: ByteSocket, signal: AbortSignal): Promise<void> {
    const { exports, onError } = this.#options;
    const negotiation = new ServerNegotiation(bytes, this.path, exports);
    const what = `The negotiation of a client of the NBD server at ${this.path}`;
    const served = await withLimit(what, NEGOTIATION_LIMIT_MS, signal, () => negotiation.run());
    if (served) await new ServerConnection(bytes, this.path, served, signal, onError).run();
  }
}
