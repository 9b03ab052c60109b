/**
 * Takes the server's replies from a stream of bytes, cut anywhere. Data of reads goes straight to the request's
 * buffer. Pure but for that: what breaks the protocol throws nbd.protocol, and the parser is of no use any more.
 *
 *   magic ─ simple header ─ [data] ─╮        magic ─ chunk header ─ [payload head] ─ [data] ─╮
 *     ↑_____________________________╯          ↑_____________________________________________╯
 */
import type { CorralError } from '@corral/core/errors';
import { nbdErrors } from './errors.ts';
import { type Breach, isStatusLength, type PendingRequest } from './pending-request.ts';
import { CHUNK, CHUNK_FLAG, COMMAND, MAGIC } from './protocol.ts';

const MAX_ERROR_BYTES = 4096 + 14;

/** Finds the request of a cookie, and takes it off the list when its reply has ended. */
export interface ReplyTable {
  get(cookie: bigint): PendingRequest | undefined;
  finished(cookie: bigint): void;
}

interface Chunk {
  readonly request: PendingRequest;
  readonly cookie: bigint;
  readonly type: number;
  readonly length: number;
  readonly done: boolean;
}

type Step = () => void;

export class ReplyParser {
  readonly #peer: string;
  readonly #table: ReplyTable;
  readonly #structured: boolean;
  readonly #head = Buffer.alloc(20);
  /** Where the bytes awaited go: this buffer, or the request's data. */
  #buffer: Buffer | undefined;
  #sink: { readonly request: PendingRequest; readonly at: number } | undefined;
  #need = 0;
  #have = 0;
  #next: Step = () => undefined;

  /** @param structured whether structured replies were negotiated. */
  constructor(peer: string, table: ReplyTable, structured: boolean) {
    this.#peer = peer;
    this.#table = table;
    this.#structured = structured;
    this.#awaitReply();
  }

  /** @throws nbd.protocol */
  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      const part = chunk.subarray(offset, offset + this.#need - this.#have);
      if (this.#sink) this.#sink.request.copyData(this.#sink.at + this.#have, part);
      else if (this.#buffer) part.copy(this.#buffer, this.#have);
      this.#have += part.length;
      offset += part.length;
      if (this.#have === this.#need) this.#next();
    }
  }

  #await(bytes: number, buffer: Buffer, next: Step): void {
    this.#sink = undefined;
    this.#buffer = buffer;
    this.#need = bytes;
    this.#have = 0;
    this.#next = next;
  }

  #awaitData(request: PendingRequest, at: number, length: number, next: Step): void {
    this.#sink = { request, at };
    this.#need = length;
    this.#have = 0;
    this.#next = next;
  }

  #awaitReply(): void {
    this.#await(4, this.#head, () => this.#onMagic());
  }

  #onMagic(): void {
    const magic = this.#head.readUInt32BE(0);
    if (magic === MAGIC.simpleReply) this.#await(12, this.#head, () => this.#onSimpleHeader());
    else if (magic === MAGIC.structuredReply && this.#structured) {
      this.#await(16, this.#head, () => this.#onChunkHeader());
    } else throw this.#breach(`a reply begins with ${magic.toString(16)}`);
  }

  #onSimpleHeader(): void {
    const errno = this.#head.readUInt32BE(0);
    const cookie = this.#head.readBigUInt64BE(4);
    const request = this.#requestOf(cookie);
    if (errno !== 0) {
      this.#check(request.fail(errno, ''));
      this.#finish(request, cookie);
    } else if (request.type === COMMAND.read && !this.#structured) {
      this.#check(request.expectData(0, request.length));
      this.#awaitData(request, 0, request.length, () => this.#finish(request, cookie));
    } else if (request.type === COMMAND.read || request.type === COMMAND.blockStatus) {
      throw this.#breach('a simple reply where a structured one must come');
    } else {
      this.#finish(request, cookie);
    }
  }

  #onChunkHeader(): void {
    const flags = this.#head.readUInt16BE(0);
    const cookie = this.#head.readBigUInt64BE(4);
    const chunk: Chunk = {
      request: this.#requestOf(cookie),
      cookie,
      type: this.#head.readUInt16BE(2),
      length: this.#head.readUInt32BE(12),
      done: (flags & CHUNK_FLAG.done) !== 0,
    };
    if (chunk.type & CHUNK.errorBit) this.#awaitError(chunk);
    else if (chunk.type === CHUNK.none) this.#onNone(chunk);
    else if (chunk.type === CHUNK.offsetData) this.#awaitOffsetData(chunk);
    else if (chunk.type === CHUNK.offsetHole) this.#awaitHole(chunk);
    else if (chunk.type === CHUNK.blockStatus) this.#awaitStatus(chunk);
    else throw this.#breach(`a chunk of the unknown type ${chunk.type}`);
  }

  #onNone(chunk: Chunk): void {
    if (chunk.length !== 0 || !chunk.done) throw this.#breach('an empty chunk that is none');
    this.#endChunk(chunk);
  }

  #awaitOffsetData(chunk: Chunk): void {
    const { request, length } = chunk;
    if (length <= 8) throw this.#breach('a data chunk without data');
    this.#await(8, this.#head, () => {
      const at = this.#position(request);
      this.#check(request.expectData(at, length - 8));
      this.#awaitData(request, at, length - 8, () => this.#endChunk(chunk));
    });
  }

  #awaitHole(chunk: Chunk): void {
    const { request } = chunk;
    if (chunk.length !== 12) throw this.#breach('a hole chunk of another length');
    this.#await(12, this.#head, () => {
      const at = this.#position(request);
      const length = this.#head.readUInt32BE(8);
      this.#check(request.expectData(at, length));
      request.fillZeroes(at, length);
      this.#endChunk(chunk);
    });
  }

  #awaitStatus(chunk: Chunk): void {
    if (!isStatusLength(chunk.length)) throw this.#breach('a block status chunk of another length');
    const payload = Buffer.allocUnsafe(chunk.length);
    this.#await(chunk.length, payload, () => {
      const extents = [];
      for (let at = 4; at < payload.length; at += 8) {
        extents.push({ length: payload.readUInt32BE(at), flags: payload.readUInt32BE(at + 4) });
      }
      this.#check(chunk.request.addExtents(payload.readUInt32BE(0), extents));
      this.#endChunk(chunk);
    });
  }

  #awaitError(chunk: Chunk): void {
    if (chunk.length < 6 || chunk.length > MAX_ERROR_BYTES) {
      throw this.#breach('an error chunk of another length');
    }
    const payload = Buffer.allocUnsafe(chunk.length);
    this.#await(chunk.length, payload, () => {
      const end = 6 + payload.readUInt16BE(4);
      if (end > payload.length) throw this.#breach('an error whose text is longer than itself');
      this.#check(chunk.request.fail(payload.readUInt32BE(0), payload.toString('utf8', 6, end)));
      this.#endChunk(chunk);
    });
  }

  /** The offset in a data or hole chunk, from the beginning of the request. */
  #position(request: PendingRequest): number {
    const offset = this.#head.readBigUInt64BE(0);
    const at = offset - BigInt(request.offset);
    if (at < 0n || at > BigInt(request.length)) throw this.#breach('data from outside of the request');
    return Number(at);
  }

  #endChunk(chunk: Chunk): void {
    if (chunk.done) this.#finish(chunk.request, chunk.cookie);
    else this.#awaitReply();
  }

  #finish(request: PendingRequest, cookie: bigint): void {
    this.#check(request.finish());
    this.#table.finished(cookie);
    this.#awaitReply();
  }

  #requestOf(cookie: bigint): PendingRequest {
    const request = this.#table.get(cookie);
    if (!request) throw this.#breach('a reply to nothing that was asked');
    return request;
  }

  #check(breach: Breach): void {
    if (breach !== undefined) throw this.#breach(breach);
  }

  #breach(reason: string): CorralError {
    return nbdErrors.protocol({ peer: this.#peer, reason });
  }
}
