/** The transmission phase of one client: takes requests, has the export carry them out, sends the replies. */
import { type CorralError, isCorralError } from '@corral/core/errors';
import type { ByteSocket } from './byte-socket.ts';
import { nbdErrors } from './errors.ts';
import { type Extent, joinExtents } from './extents.ts';
import type { NbdExport } from './nbd-export.ts';
import {
  CHUNK,
  COMMAND,
  COMMAND_FLAG,
  decodeRequest,
  encodeChunk,
  encodeSimpleReply,
  encodeUint16,
  encodeUint32,
  errnoNumber,
  MAX_PAYLOAD,
  type NbdRequest,
  REQUEST_BYTES,
} from './protocol.ts';
import { CONTEXT_ID, type ServedExport } from './server-negotiation.ts';

const MAX_REQUESTS = 16;
const MAX_BYTES = 64 * 2 ** 20;
const MAX_EXTENTS = 8192;
const MAX_MESSAGE_BYTES = 1024;

/** The flags that each command may carry. */
const FLAGS: Readonly<Record<number, number>> = {
  [COMMAND.read]: COMMAND_FLAG.df | COMMAND_FLAG.fua,
  [COMMAND.write]: COMMAND_FLAG.fua,
  [COMMAND.flush]: 0,
  [COMMAND.trim]: COMMAND_FLAG.fua,
  [COMMAND.writeZeroes]: COMMAND_FLAG.fua | COMMAND_FLAG.noHole,
  [COMMAND.blockStatus]: COMMAND_FLAG.reqOne,
};

/** An error that is the client's own doing: told to it, and to nobody else. */
interface Rejection {
  readonly errno: 'EINVAL' | 'EPERM' | 'ENOSPC' | 'ENOTSUP';
}

export class ServerConnection {
  readonly #socket: ByteSocket;
  readonly #path: string;
  readonly #served: ServedExport;
  readonly #signal: AbortSignal;
  readonly #onError: (error: unknown) => void;
  readonly #under = new Set<Promise<void>>();
  #bytes = 0;
  #freed = Promise.withResolvers<void>();

  /** @param onError told of what the export's functions throw. */
  constructor(
    socket: ByteSocket,
    path: string,
    served: ServedExport,
    signal: AbortSignal,
    onError: (error: unknown) => void,
  ) {
    this.#socket = socket;
    this.#path = path;
    this.#served = served;
    this.#signal = signal;
    this.#onError = onError;
  }

  /** Serves until the client says goodbye; ends when the last request has ended. @throws nbd.client-broken, nbd.client-gone */
  async run(): Promise<void> {
    try {
      for (;;) {
        const request = decodeRequest(await this.#socket.read(REQUEST_BYTES));
        if (!request) throw this.#breach('what it sent is no request');
        if (request.type === COMMAND.disconnect) return;
        await this.#start(request);
      }
    } finally {
      await Promise.allSettled(this.#under);
    }
  }

  /** Takes the request's data, once there is room for it, and lets it run. */
  async #start(request: NbdRequest): Promise<void> {
    const carries = request.type === COMMAND.write || request.type === COMMAND.read;
    const bytes = carries ? Math.min(request.length, MAX_PAYLOAD) : 0;
    if (request.type === COMMAND.write && request.length > MAX_PAYLOAD)
      throw this.#breach('a write that is too long');
    while (this.#under.size >= MAX_REQUESTS || (this.#under.size > 0 && this.#bytes + bytes > MAX_BYTES)) {
      await this.#freed.promise;
    }
    const data = await this.#socket.read(request.type === COMMAND.write ? request.length : 0);
    this.#bytes += bytes;
    const work = this.#carryOut(request, data).finally(() => {
      this.#bytes -= bytes;
      this.#under.delete(work);
      this.#freed.resolve();
      this.#freed = Promise.withResolvers<void>();
    });
    this.#under.add(work);
  }

  async #carryOut(request: NbdRequest, data: Buffer): Promise<void> {
    try {
      const rejection = this.#reject(request);
      if (rejection) await this.#replyError(request, rejection.errno, '');
      else await this.#perform(request, data);
    } catch (cause) {
      if (!this.#isAbort(cause)) this.#onError(cause);
      await this.#replyError(request, errnoOf(cause), isCorralError(cause) ? cause.message : '');
    }
  }

  #reject(request: NbdRequest): Rejection | undefined {
    const { type, length } = request;
    const { disk, allocation } = this.#served;
    const allowed = FLAGS[type];
    if (allowed === undefined || (request.flags & ~allowed) !== 0) return { errno: 'EINVAL' };
    if ((request.flags & COMMAND_FLAG.fua) !== 0 && !disk.flush) return { errno: 'EINVAL' };
    if (type === COMMAND.flush) return disk.flush ? undefined : { errno: 'EINVAL' };
    const changes = type === COMMAND.write || type === COMMAND.trim || type === COMMAND.writeZeroes;
    if (changes && !disk.write) return { errno: 'EPERM' };
    if (request.offset + BigInt(length) > BigInt(disk.size)) return { errno: changes ? 'ENOSPC' : 'EINVAL' };
    if (length === 0) return { errno: 'EINVAL' };
    if (type === COMMAND.read && length > MAX_PAYLOAD) return { errno: 'EINVAL' };
    if (type === COMMAND.trim && !disk.trim) return { errno: 'ENOTSUP' };
    if (type === COMMAND.writeZeroes && !disk.zero) return { errno: 'ENOTSUP' };
    if (type === COMMAND.blockStatus && !allocation) return { errno: 'EINVAL' };
    return undefined;
  }

  async #perform(request: NbdRequest, data: Buffer): Promise<void> {
    const { disk } = this.#served;
    const offset = Number(request.offset);
    const { length } = request;
    const signal = this.#signal;
    switch (request.type) {
      case COMMAND.read:
        await this.#read(disk, request, offset);
        return;
      case COMMAND.blockStatus:
        await this.#blockStatus(disk, request, offset);
        return;
      case COMMAND.write:
        await disk.write?.(offset, data, signal);
        break;
      case COMMAND.writeZeroes:
        await disk.zero?.(offset, length, (request.flags & COMMAND_FLAG.noHole) === 0, signal);
        break;
      case COMMAND.trim:
        await disk.trim?.(offset, length, signal);
        break;
      case COMMAND.flush:
        await disk.flush?.(signal);
        break;
    }
    if (request.flags & COMMAND_FLAG.fua) await disk.flush?.(signal);
    await this.#replyDone(request);
  }

  async #read(disk: NbdExport, request: NbdRequest, offset: number): Promise<void> {
    const data = await disk.read(offset, request.length, this.#signal);
    if (data.length !== request.length) {
      throw this.#broken(`${data.length} bytes for a read of ${request.length}`);
    }
    if (!this.#served.structured) {
      await this.#socket.send(encodeSimpleReply(request.cookie, 0), data);
      return;
    }
    const head = Buffer.allocUnsafe(28);
    encodeChunk(request.cookie, CHUNK.offsetData, 8 + data.length, true).copy(head);
    head.writeBigUInt64BE(request.offset, 20);
    await this.#socket.send(head, data);
  }

  /** QEMU's client takes one extent of each answer, so that extents must be joined before they are counted. */
  async #blockStatus(disk: NbdExport, request: NbdRequest, offset: number): Promise<void> {
    const limit = (request.flags & COMMAND_FLAG.reqOne) === 0 ? MAX_EXTENTS : 1;
    const numbers: number[] = [CONTEXT_ID];
    for await (const { length, flags } of joinExtents(this.#extents(disk, offset, request.length))) {
      numbers.push(length, flags);
      if (numbers.length > 2 * limit) break;
    }
    const payload = encodeUint32(...numbers);
    await this.#socket.send(encodeChunk(request.cookie, CHUNK.blockStatus, payload.length, true), payload);
  }

  /** What the export says of a range, checked and cut at the end. @throws nbd.export-broken */
  async *#extents(disk: NbdExport, offset: number, length: number): AsyncGenerator<Extent, void, undefined> {
    const end = offset + length;
    let at = offset;
    for await (const extent of disk.extents?.(offset, length, this.#signal) ?? []) {
      const inOrder = extent.offset === at && Number.isSafeInteger(extent.length) && extent.length > 0;
      if (!inOrder)
        throw this.#broken(`an extent of ${extent.length} bytes at ${extent.offset}, expected at ${at}`);
      yield { offset: at, length: Math.min(extent.length, end - at), flags: extent.flags };
      at += extent.length;
      if (at >= end) return;
    }
    if (at === offset) throw this.#broken(`no extent at ${offset}`);
  }

  async #replyDone(request: NbdRequest): Promise<void> {
    const { cookie } = request;
    const reply = this.#served.structured
      ? encodeChunk(cookie, CHUNK.none, 0, true)
      : encodeSimpleReply(cookie, 0);
    await this.#socket.send(reply);
  }

  async #replyError(request: NbdRequest, errno: string | undefined, message: string): Promise<void> {
    const { cookie } = request;
    const number = errnoNumber(errno);
    if (!this.#served.structured) {
      await this.#socket.send(encodeSimpleReply(cookie, number));
      return;
    }
    const text = Buffer.from(message).subarray(0, MAX_MESSAGE_BYTES);
    const payload = Buffer.concat([encodeUint32(number), encodeUint16(text.length), text]);
    await this.#socket.send(encodeChunk(cookie, CHUNK.error, payload.length, true), payload);
  }

  /** An abort says only that the client has gone, which is no error of the export. */
  #isAbort(cause: unknown): boolean {
    const { aborted, reason } = this.#signal;
    return aborted && (cause === reason || (cause instanceof Error && cause.name === 'AbortError'));
  }

  #broken(reason: string): CorralError {
    return nbdErrors['export-broken']({ name: this.#served.name, reason });
  }

  #breach(reason: string): CorralError {
    return nbdErrors['client-broken']({ path: this.#path, reason });
  }
}

/** The name of the system's error at the bottom of `error`. */
function errnoOf(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && typeof cause.code === 'string' && /^E[A-Z]+$/.test(cause.code)) return cause.code;
  }
  return undefined;
}
