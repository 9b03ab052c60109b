/**
 * The serial port of a VM: read all the time, so that what a guest said while nobody watched can still be seen, and
 * open to several viewers at once.
 */
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** What a new viewer sees first. */
const historyBytes = 256 * 2 ** 10;
/** A viewer that does not read is cut off rather than kept in memory. */
const viewerBufferBytes = 4 * 2 ** 20;

export class SerialConsole {
  readonly #socket: Socket;
  readonly #viewers = new Set<Viewer>();
  #history: Buffer[] = [];
  #historyBytes = 0;

  /** Connects at once; a port that cannot be reached is an empty console. @param onError for the log */
  constructor(path: string, onError: (cause: Error) => void) {
    this.#socket = connect(path);
    this.#socket.on('data', (data) => this.#receive(data));
    this.#socket.on('error', onError);
    this.#socket.on('close', () => {
      for (const viewer of this.#viewers) viewer.push(null);
    });
  }

  /** The latest output, then what comes; what is written to it goes to the guest. */
  open(): Duplex {
    const viewer = new Viewer(this.#socket, () => this.#viewers.delete(viewer));
    viewer.push(Buffer.concat(this.#history));
    if (this.#socket.destroyed) viewer.push(null);
    else this.#viewers.add(viewer);
    return viewer;
  }

  /** What is kept of the output, for those who look for a pattern. */
  history(): Buffer {
    return Buffer.concat(this.#history);
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(data: Buffer): void {
    this.#history.push(data);
    this.#historyBytes += data.length;
    while (this.#historyBytes - this.#history[0]!.length > historyBytes) {
      this.#historyBytes -= this.#history.shift()!.length;
    }
    for (const viewer of [...this.#viewers]) {
      if (viewer.readableLength > viewerBufferBytes) viewer.destroy(new Error('the viewer does not read'));
      else viewer.push(data);
    }
  }
}

class Viewer extends Duplex {
  readonly #socket: Socket;
  readonly #onClose: () => void;

  constructor(socket: Socket, onClose: () => void) {
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.#onClose = onClose;
  }

  /** Output is pushed as it comes. */
  override _read(): void {
    return;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, (error) => done(error ?? null));
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#onClose();
    done(error);
  }
}
