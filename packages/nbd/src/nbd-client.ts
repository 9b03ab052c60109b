/**
 * Client of an NBD export over a Unix socket. What it speaks and in which bounds: docs/formats/nbd.md.
 *
 *   connect ─ negotiation ─→ ready ─ close() or loss ─→ closed, for good
 *
 * Requests are sent side by side within a window; the server may carry them out in any order, so who needs an order
 * waits for the earlier ones. A limit or an abort ends the waiting, not the request: a write may still take place.
 */
import { withLimit } from '@corral/core/abort';
import type { CorralError } from '@corral/core/errors';
import type { BlockSizes, NegotiatedExport } from './client-negotiation.ts';
import { nbdErrors } from './errors.ts';
import { type Extent, joinExtents } from './extents.ts';
import {
  commandName,
  type NbdCallOptions,
  type NbdCommand,
  NbdConnection,
  type NbdConnectOptions,
} from './nbd-connection.ts';
import { COMMAND, COMMAND_FLAG, TRANSMISSION_FLAG } from './protocol.ts';

const REQUEST_LIMIT_MS = 60_000;
/**
 * Long transfers are cut into pieces, so that the server reads one while another is on its way. Pieces that stay in
 * the processor's cache from the socket to the target went twice as fast as pieces of 1 MiB.
 */
const PIECE_BYTES = 256 * 1024;
/** The longest range of requests without data: below 2^32, and whole blocks of any minimum. */
const RANGE_BYTES = 2 ** 32 - 65_536;

export class NbdClient implements AsyncDisposable {
  readonly #connection: NbdConnection;
  readonly #export: NegotiatedExport;

  private constructor(connection: NbdConnection, negotiated: NegotiatedExport) {
    this.#connection = connection;
    this.#export = negotiated;
  }

  /**
   * @throws nbd.not-listening, nbd.no-handshake, nbd.export-missing, nbd.refused, nbd.size-unusable, nbd.protocol,
   * nbd.connection-lost; the signal's reason.
   */
  static async connect(options: NbdConnectOptions): Promise<NbdClient> {
    const { connection, negotiated } = await NbdConnection.open(options);
    return new NbdClient(connection, negotiated);
  }

  /** The names of a server's exports. @throws as `connect` */
  static listExports(options: NbdConnectOptions): Promise<readonly string[]> {
    return NbdConnection.listExports(options);
  }

  /** How messages call the export. */
  get peer(): string {
    return this.#connection.peer;
  }

  /** Bytes. */
  get size(): number {
    return this.#export.size;
  }

  get blockSizes(): BlockSizes {
    return this.#export.blockSizes;
  }

  get readOnly(): boolean {
    return this.#offers(TRANSMISSION_FLAG.readOnly);
  }

  get canFlush(): boolean {
    return this.#offers(TRANSMISSION_FLAG.sendFlush);
  }

  get canTrim(): boolean {
    return this.#offers(TRANSMISSION_FLAG.sendTrim);
  }

  get canWriteZeroes(): boolean {
    return this.#offers(TRANSMISSION_FLAG.sendWriteZeroes);
  }

  /** Whether several connections see each other's flushed writes. */
  get canMultiConnect(): boolean {
    return this.#offers(TRANSMISSION_FLAG.canMultiConn);
  }

  /** The metadata contexts that were granted. */
  get contexts(): readonly string[] {
    return [...this.#export.contexts.keys()];
  }

  /** Resolves when the connection has ended, with the reason: nbd.connection-lost, nbd.protocol or nbd.closed. */
  get closed(): Promise<CorralError> {
    return this.#connection.closed;
  }

  /** @throws as `readInto` */
  async read(offset: number, length: number, options?: NbdCallOptions): Promise<Buffer> {
    this.#checkRange(offset, length);
    const target = Buffer.allocUnsafe(length);
    await this.readInto(target, offset, options);
    return target;
  }

  /**
   * Fills `target` from `offset` on. After an error its content is undefined, and it is not touched any more.
   *
   * @throws nbd.out-of-range, nbd.unaligned, nbd.request-failed, nbd.connection-lost, nbd.protocol, nbd.closed;
   * core.timeout; the signal's reason.
   */
  async readInto(target: Buffer, offset: number, options?: NbdCallOptions): Promise<void> {
    const piece = (at: number, length: number): NbdCommand => ({
      type: COMMAND.read,
      flags: this.#export.structured && this.#offers(TRANSMISSION_FLAG.sendDf) ? COMMAND_FLAG.df : 0,
      offset: offset + at,
      length,
      target: target.subarray(at, at + length),
    });
    await this.#inPieces(COMMAND.read, offset, target.length, this.#pieceBytes(), piece, options);
  }

  /**
   * Writes `data`, which must not change until then. `fua`: it is on stable storage when this resolves.
   *
   * @throws nbd.read-only; as `readInto`.
   */
  async write(
    offset: number,
    data: Uint8Array,
    options?: NbdCallOptions & { readonly fua?: boolean },
  ): Promise<void> {
    this.#checkWritable();
    const flags = this.#fua(options?.fua);
    const piece = (at: number, length: number): NbdCommand => ({
      type: COMMAND.write,
      flags,
      offset: offset + at,
      length,
      data: data.subarray(at, at + length),
    });
    await this.#inPieces(COMMAND.write, offset, data.length, this.#pieceBytes(), piece, options);
  }

  /** `mayTrim`: the server may give the space back; true unless told. @throws nbd.unsupported; as `write` */
  async writeZeroes(
    offset: number,
    length: number,
    options?: NbdCallOptions & { readonly mayTrim?: boolean; readonly fua?: boolean },
  ): Promise<void> {
    this.#checkWritable();
    if (!this.canWriteZeroes) throw this.#unsupported(COMMAND.writeZeroes);
    const noHole = options?.mayTrim === false ? COMMAND_FLAG.noHole : 0;
    await this.#inRanges(COMMAND.writeZeroes, noHole | this.#fua(options?.fua), offset, length, options);
  }

  /** Tells that the content is not needed any more; it may read as anything. @throws as `writeZeroes` */
  async trim(offset: number, length: number, options?: NbdCallOptions): Promise<void> {
    this.#checkWritable();
    if (!this.canTrim) throw this.#unsupported(COMMAND.trim);
    await this.#inRanges(COMMAND.trim, 0, offset, length, options);
  }

  /** All writes that have resolved are on stable storage when this resolves. @throws as `writeZeroes` */
  async flush(options?: NbdCallOptions): Promise<void> {
    if (!this.canFlush) throw this.#unsupported(COMMAND.flush);
    await this.#limited(COMMAND.flush, options, (signal) =>
      this.#connection.execute({ type: COMMAND.flush, offset: 0, length: 0 }, signal),
    );
  }

  /**
   * What the server says of a range in one answer, by context: from `offset` on, at least one extent, perhaps less
   * than was asked for.
   */
  async blockStatus(
    offset: number,
    length: number,
    options?: NbdCallOptions,
  ): Promise<ReadonlyMap<string, readonly Extent[]>> {
    this.#checkRange(offset, length);
    if (this.#export.contexts.size === 0) throw this.#unsupported(COMMAND.blockStatus);
    const command = { type: COMMAND.blockStatus, offset, length: Math.min(length, RANGE_BYTES) };
    const request = await this.#limited(COMMAND.blockStatus, options, (signal) =>
      this.#connection.execute(command, signal),
    );
    const answers = [...this.#export.contexts].map(
      ([context, id]) => [context, request.extents.get(id) ?? []] as const,
    );
    return new Map(answers);
  }

  /**
   * The extents of one context over a range, the whole export unless told; in order, without gaps, joined where flags
   * are equal. The limit counts for each request.
   *
   * @throws nbd.context-missing; as `readInto`.
   */
  async *extents(
    context: string,
    options: NbdCallOptions & { readonly offset?: number; readonly length?: number } = {},
  ): AsyncGenerator<Extent, void, undefined> {
    if (!this.#export.contexts.has(context)) {
      throw nbdErrors['context-missing']({ peer: this.peer, context, available: this.contexts });
    }
    const offset = options.offset ?? 0;
    const length = options.length ?? this.size - offset;
    this.#checkRange(offset, length);
    yield* joinExtents(this.#rawExtents(context, offset, offset + length, options));
  }

  /** Tells the server and ends the connection; what is pending rejects with nbd.closed. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#rawExtents(
    context: string,
    start: number,
    end: number,
    options: NbdCallOptions,
  ): AsyncGenerator<Extent, void, undefined> {
    for (let offset = start; offset < end; ) {
      const extents = (await this.blockStatus(offset, end - offset, options)).get(context);
      const last = extents?.at(-1);
      if (!extents || !last) {
        throw this.#connection.breach(`a block status without "${context}"`);
      }
      yield* extents;
      offset = last.offset + last.length;
    }
  }

  async #inRanges(
    type: number,
    flags: number,
    offset: number,
    length: number,
    options: NbdCallOptions | undefined,
  ): Promise<void> {
    const piece = (at: number, bytes: number): NbdCommand => ({
      type,
      flags,
      offset: offset + at,
      length: bytes,
    });
    await this.#inPieces(type, offset, length, RANGE_BYTES, piece, options);
  }

  /** Sends a call's pieces as the window allows, and waits for all; the first failure ends it. */
  async #inPieces(
    type: number,
    offset: number,
    length: number,
    pieceBytes: number,
    piece: (at: number, length: number) => NbdCommand,
    options: NbdCallOptions | undefined,
  ): Promise<void> {
    this.#checkRange(offset, length);
    if (length === 0) return;
    await this.#limited(type, options, async (signal) => {
      if (length <= pieceBytes) return void (await this.#connection.execute(piece(0, length), signal));
      const stop = new AbortController();
      const either = AbortSignal.any([signal, stop.signal]);
      const under: Promise<unknown>[] = [];
      for (let at = 0; at < length; at += pieceBytes) {
        under.push(this.#connection.execute(piece(at, Math.min(pieceBytes, length - at)), either));
      }
      await Promise.all(under).catch((cause: unknown) => {
        stop.abort(cause);
        throw cause;
      });
    });
  }

  #limited<T>(
    type: number,
    options: NbdCallOptions | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const limitMs = options?.limitMs ?? REQUEST_LIMIT_MS;
    return withLimit(`The request "${commandName(type)}" to ${this.peer}`, limitMs, options?.signal, work);
  }

  #pieceBytes(): number {
    return Math.min(PIECE_BYTES, this.blockSizes.maximum);
  }

  #offers(flag: number): boolean {
    return (this.#export.flags & flag) !== 0;
  }

  #fua(wanted: boolean | undefined): number {
    if (!wanted) return 0;
    if (!this.#offers(TRANSMISSION_FLAG.sendFua)) {
      throw nbdErrors.unsupported({ peer: this.peer, command: 'force unit access' });
    }
    return COMMAND_FLAG.fua;
  }

  #unsupported(type: number): CorralError {
    return nbdErrors.unsupported({ peer: this.peer, command: commandName(type) });
  }

  #checkWritable(): void {
    if (this.readOnly) throw nbdErrors['read-only']({ peer: this.peer });
  }

  #checkRange(offset: number, length: number): void {
    const { size, peer } = this;
    const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (!valid || offset + length > size) throw nbdErrors['out-of-range']({ peer, offset, length, size });
    const { minimum: blockSize } = this.blockSizes;
    if (offset % blockSize !== 0 || length % blockSize !== 0) {
      throw nbdErrors.unaligned({ peer, offset, length, blockSize });
    }
  }
}
