/**
 * A file in memory that remembers every write, change of length, hole and barrier, and can show what a power cut would have left
 * at any moment: everything before the last barrier, and of the rest an arbitrary part, torn at sectors.
 */
import type { Range } from '@corral/disk/disk';
import { diskErrors } from '@corral/disk/errors';
import type { BlockFile } from '@corral/disk/file';

const pageBytes = 4096;
/** What a disk writes whole or not at all. */
const tearBytes = 512;

export type FileOperation =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'zero'; readonly offset: number; readonly length: number }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'barrier' };

/** Content of a file; copies share their pages until they change them. */
export class Content {
  length: number;
  readonly #pages: Map<number, Uint8Array>;
  readonly #own = new Set<number>();

  constructor(length = 0, pages: ReadonlyMap<number, Uint8Array> = new Map()) {
    this.length = length;
    this.#pages = new Map(pages);
  }

  copy(): Content {
    this.#own.clear();
    return new Content(this.length, this.#pages);
  }

  read(target: Uint8Array, offset: number): number {
    const length = Math.max(0, Math.min(target.length, this.length - offset));
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const inPage = at % pageBytes;
      const count = Math.min(length - done, pageBytes - inPage);
      const page = this.#pages.get(at - inPage);
      if (page) target.set(page.subarray(inPage, inPage + count), done);
      else target.fill(0, done, done + count);
      done += count;
    }
    return length;
  }

  write(bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done;
      const inPage = at % pageBytes;
      const count = Math.min(bytes.length - done, pageBytes - inPage);
      this.#ownPage(at - inPage).set(bytes.subarray(done, done + count), inPage);
      done += count;
    }
    this.length = Math.max(this.length, offset + bytes.length);
  }

  zero(offset: number, length: number): void {
    const end = Math.min(offset + length, this.length);
    for (let at = offset; at < end; ) {
      const inPage = at % pageBytes;
      const count = Math.min(end - at, pageBytes - inPage);
      if (count === pageBytes) this.#pages.delete(at);
      else if (this.#pages.has(at - inPage)) this.#ownPage(at - inPage).fill(0, inPage, inPage + count);
      at += count;
    }
  }

  setLength(length: number): void {
    if (length < this.length) {
      this.zero(length, pageBytes - (length % pageBytes));
      for (const at of this.#pages.keys()) if (at >= length) this.#pages.delete(at);
    }
    this.length = length;
  }

  #ownPage(at: number): Uint8Array {
    const page = this.#pages.get(at);
    if (page && this.#own.has(at)) return page;
    const fresh = new Uint8Array(pageBytes);
    if (page) fresh.set(page);
    this.#pages.set(at, fresh);
    this.#own.add(at);
    return fresh;
  }

  apply(operation: FileOperation): void {
    if (operation.kind === 'write') this.write(operation.bytes, operation.offset);
    else if (operation.kind === 'zero') this.zero(operation.offset, operation.length);
    else if (operation.kind === 'length') this.setLength(operation.length);
  }

  /** Applies the sectors of the operation for which `survives` says yes. */
  applyTorn(operation: FileOperation, survives: () => boolean): void {
    if (operation.kind === 'write') {
      for (let at = 0; at < operation.bytes.length; ) {
        const count = Math.min(
          operation.bytes.length - at,
          tearBytes - ((operation.offset + at) % tearBytes),
        );
        if (survives()) this.write(operation.bytes.subarray(at, at + count), operation.offset + at);
        at += count;
      }
    } else if (operation.kind === 'zero') {
      for (let at = 0; at < operation.length; at += pageBytes) {
        if (survives()) this.zero(operation.offset + at, Math.min(pageBytes, operation.length - at));
      }
    } else if (survives()) {
      this.apply(operation);
    }
  }
}

export class CrashFile implements BlockFile {
  readonly path = 'memory';
  readonly isRegular = true;
  readonly content: Content;
  readonly operations: FileOperation[] = [];
  /** How often it was read and changed, and how many bytes that moved. */
  readonly work = { calls: 0, bytes: 0 };
  /** Throws instead of doing the n-th operation from now on, when set. */
  failAfter = Number.POSITIVE_INFINITY;

  constructor(content: Content) {
    this.content = content;
  }

  get length(): number {
    return this.content.length;
  }

  async #do(operation: FileOperation): Promise<void> {
    if (this.operations.length >= this.failAfter) {
      throw diskErrors.io({ path: this.path, action: 'write', reason: 'EIO' });
    }
    this.operations.push(operation);
    this.#count(operation.kind === 'write' ? operation.bytes.length : 0);
    this.content.apply(operation);
  }

  #count(bytes: number): void {
    this.work.calls += 1;
    this.work.bytes += bytes;
  }

  #read(target: Uint8Array, offset: number): number {
    this.#count(target.length);
    return this.content.read(target, offset);
  }

  async readUpTo(target: Uint8Array, offset: number): Promise<number> {
    return this.#read(target, offset);
  }

  async readPadded(target: Uint8Array, offset: number): Promise<void> {
    target.fill(0, this.#read(target, offset));
  }

  async readExact(target: Uint8Array, offset: number, what: string): Promise<void> {
    if (this.#read(target, offset) === target.length) return;
    const place = { fileOffset: offset, length: target.length, fileBytes: this.length };
    throw diskErrors.truncated({ path: this.path, what, ...place });
  }

  writeAll(source: Uint8Array, offset: number): Promise<void> {
    return this.#do({ kind: 'write', offset, bytes: Uint8Array.from(source) });
  }

  async writeVector(sources: readonly Uint8Array[], offset: number): Promise<void> {
    let at = offset;
    for (const source of sources) {
      await this.writeAll(source, at);
      at += source.length;
    }
  }

  writeZeros(offset: number, length: number): Promise<void> {
    return this.writeAll(new Uint8Array(length), offset);
  }

  punch(offset: number, length: number): Promise<void> {
    return this.#do({ kind: 'zero', offset, length });
  }

  async reserve(offset: number, length: number): Promise<void> {
    if (this.length < offset + length) await this.truncate(offset + length);
  }

  truncate(length: number): Promise<void> {
    return this.#do({ kind: 'length', length });
  }

  sync(): Promise<void> {
    return this.#do({ kind: 'barrier' });
  }

  *dataRanges(range: Range): Generator<Range> {
    yield range;
  }

  async occupiedBytes(): Promise<number> {
    return this.length;
  }

  /** Nothing to release: the content is looked at afterwards. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

export type Random = () => number;

/** Numbers in [0, 1) from a seed (mulberry32), so that a failure can be repeated. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface CrashState {
  /** Operations that were begun before the power went. */
  readonly done: number;
  readonly how: string;
  readonly content: Content;
}

/**
 * What may be left after a power cut behind each operation: all of what was written since the last barrier, nothing of it,
 * or a random part of it. `wanted` leaves operations out, to keep long sessions short.
 */
export function* crashStates(
  base: Content,
  operations: readonly FileOperation[],
  random: Random,
  wanted: (done: number) => boolean = () => true,
): Generator<CrashState> {
  const stable = base.copy();
  let pending: FileOperation[] = [];
  for (let done = 0; done <= operations.length; done += 1) {
    if (wanted(done)) {
      // Nothing of it looks the same until the next barrier.
      const hows = pending.length === 0 ? (['none'] as const) : (['all', 'some', 'most'] as const);
      for (const how of hows) {
        const content = stable.copy();
        const chance = { all: 1, none: 0, some: 0.4, most: 0.95 }[how];
        for (const operation of pending) content.applyTorn(operation, () => random() < chance);
        yield { done, how, content };
      }
    }
    const operation = operations[done];
    if (operation?.kind === 'barrier') {
      for (const earlier of pending) stable.apply(earlier);
      pending = [];
    } else if (operation) {
      pending.push(operation);
    }
  }
}

/** The content of a real file. */
export async function loadContent(bytes: Uint8Array): Promise<Content> {
  const content = new Content();
  for (let at = 0; at < bytes.length; at += pageBytes) {
    const page = bytes.subarray(at, at + pageBytes);
    if (page.some((byte) => byte !== 0)) content.write(page, at);
  }
  content.setLength(bytes.length);
  return content;
}
