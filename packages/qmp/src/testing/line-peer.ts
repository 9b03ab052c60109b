/** For tests: the other side of a line protocol, on a Unix socket in a directory of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JsonLineSplitter } from '../json-lines.ts';

export interface PeerRequest {
  readonly execute?: string;
  readonly 'exec-oob'?: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
  readonly id?: unknown;
}

export class PeerConnection {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Text and bytes go as they are, other values as a line of JSON. */
  send(...parts: readonly unknown[]): void {
    for (const part of parts) {
      const raw = typeof part === 'string' || part instanceof Uint8Array;
      if (!this.#socket.destroyed) this.#socket.write(raw ? part : `${JSON.stringify(part)}\n`);
    }
  }

  /** Stops reading, as a guest does that hangs. */
  pause(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }
}

export interface PeerBehaviour {
  readonly onConnect?: (connection: PeerConnection) => void;
  readonly onRequest?: (request: PeerRequest, connection: PeerConnection) => void;
}

export class LinePeer implements AsyncDisposable {
  readonly path: string;
  /** Every request that arrived, oldest first. */
  readonly requests: PeerRequest[] = [];
  connections = 0;
  readonly #directory: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #changed = Promise.withResolvers<void>();

  private constructor(directory: string, behaviour: PeerBehaviour) {
    this.#directory = directory;
    this.path = join(directory, 'socket');
    this.#server = createServer((socket) => this.#serve(socket, behaviour));
  }

  static async start(behaviour: PeerBehaviour): Promise<LinePeer> {
    const peer = new LinePeer(await mkdtemp(join(tmpdir(), 'corral-peer-')), behaviour);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    peer.#server.once('error', reject);
    peer.#server.listen(peer.path, resolve);
    await promise;
    return peer;
  }

  get open(): number {
    return this.#sockets.size;
  }

  /** Waits until `reached` holds; asked at each request, connection and end of one. */
  async until(reached: () => boolean): Promise<void> {
    while (!reached()) await this.#changed.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#directory, { recursive: true, force: true });
  }

  #serve(socket: Socket, behaviour: PeerBehaviour): void {
    const connection = new PeerConnection(socket);
    const splitter = new JsonLineSplitter({ maxBytes: 64 * 2 ** 20, maxDepth: 64 });
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#notify();
    });
    socket.on('error', () => socket.destroy()); // Expected: the client left while something was on its way to it.
    socket.on('data', (chunk: Buffer) => {
      for (const line of splitter.push(chunk)) {
        if (line.kind !== 'value') continue;
        const request = line.value as PeerRequest;
        this.requests.push(request);
        behaviour.onRequest?.(request, connection);
        this.#notify();
      }
    });
    behaviour.onConnect?.(connection);
    this.#notify();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
