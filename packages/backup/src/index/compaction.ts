/**
 * Merges segments: those of many small backups into few, and those that name packs which go. A k-way merge over
 * sorted pages, so that its memory does not grow with the index.
 */
import type { RepositoryContext } from '../context.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import { idBytes } from '../pack/blob.ts';
import type { Session } from '../session/session.ts';
import { PageCache } from './page-cache.ts';
import { PagedSegment } from './paged-segment.ts';
import { recordBytes } from './record.ts';
import { buildSegment, segmentName } from './segment-format.ts';

/** Entries of a merged segment (23 MB). */
const mergedEntries = 2 ** 19;

/**
 * Writes merged segments that hold what `names` hold, without the packs that `isGone` names. They count once a state
 * lists them.
 *
 * @returns the hashes of the merged segments
 */
export async function mergeSegments(
  context: RepositoryContext,
  session: Session,
  names: readonly string[],
  isGone: (pack: string) => boolean,
  retainUntil: Date | undefined,
  signal?: AbortSignal,
): Promise<string[]> {
  const cursors: Cursor[] = [];
  for (const name of names) {
    const cursor = await Cursor.open(context, name, isGone, signal);
    if (cursor) cursors.push(cursor);
  }
  const output = new MergedOutput(context, session, retainUntil);
  while (cursors.length > 0) {
    const least = cursors.reduce((a, b) => (b.compare(a) < 0 ? b : a));
    await output.add(least.record, least.packName);
    if (!(await least.next(signal))) cursors.splice(cursors.indexOf(least), 1);
  }
  return await output.finish();
}

class Cursor {
  readonly #segment: PagedSegment;
  readonly #gone: Uint8Array;
  #page: Buffer = Buffer.alloc(0);
  #number = -1;
  #at = 0;

  private constructor(segment: PagedSegment, gone: Uint8Array) {
    this.#segment = segment;
    this.#gone = gone;
  }

  /** On the first record that stays; undefined if there is none. */
  static async open(
    context: RepositoryContext,
    name: string,
    isGone: (pack: string) => boolean,
    signal?: AbortSignal,
  ): Promise<Cursor | undefined> {
    const { store, keys } = context;
    const size = await sizeOf(store, name, signal);
    const segment = await PagedSegment.open(store, keys, new PageCache(0), name, size, signal);
    const gone = new Uint8Array(segment.opened.layout.packs);
    for (let pack = 0; pack < gone.length; pack += 1) {
      gone[pack] = isGone(segment.packs.toString('hex', pack * idBytes, (pack + 1) * idBytes)) ? 1 : 0;
    }
    const cursor = new Cursor(segment, gone);
    cursor.#at = -recordBytes;
    return (await cursor.next(signal)) ? cursor : undefined;
  }

  get record(): Buffer {
    return this.#page.subarray(this.#at, this.#at + recordBytes);
  }

  get packName(): Buffer {
    const pack = this.#page.readUInt32LE(this.#at + idBytes);
    return this.#segment.packs.subarray(pack * idBytes, (pack + 1) * idBytes);
  }

  compare(other: Cursor): number {
    return this.record.compare(other.record, 0, idBytes, 0, idBytes);
  }

  async next(signal?: AbortSignal): Promise<boolean> {
    for (;;) {
      this.#at += recordBytes;
      if (this.#at >= this.#page.length) {
        this.#number += 1;
        if (this.#number >= this.#segment.opened.layout.pages) return false;
        this.#page = await this.#segment.page(this.#number, signal);
        this.#at = 0;
      }
      if (this.#gone[this.#page.readUInt32LE(this.#at + idBytes)] === 0) return true;
    }
  }
}

async function sizeOf(store: ObjectStore, name: string, signal?: AbortSignal): Promise<number> {
  for await (const entry of store.list('index/', signal)) if (entry.name === name) return entry.sizeBytes;
  return 0;
}

class MergedOutput {
  readonly #context: RepositoryContext;
  readonly #session: Session;
  readonly #retainUntil: Date | undefined;
  readonly #hashes: string[] = [];
  #records = Buffer.alloc(1024 * recordBytes);
  #count = 0;
  #packs = new Map<string, number>();

  constructor(context: RepositoryContext, session: Session, retainUntil: Date | undefined) {
    this.#context = context;
    this.#session = session;
    this.#retainUntil = retainUntil;
  }

  async add(record: Buffer, packName: Buffer): Promise<void> {
    if ((this.#count + 1) * recordBytes > this.#records.length) {
      this.#records = Buffer.concat([this.#records, Buffer.alloc(this.#records.length)]);
    }
    const key = packName.toString('latin1');
    const pack = this.#packs.get(key) ?? this.#packs.size;
    this.#packs.set(key, pack);
    const at = this.#count * recordBytes;
    if (this.#isRepeated(record, pack)) return;
    record.copy(this.#records, at);
    this.#records.writeUInt32LE(pack, at + idBytes);
    this.#count += 1;
    if (this.#count >= mergedEntries) await this.#store();
  }

  /** Two segments may name the same blob in the same pack, after a crash of maintenance. */
  #isRepeated(record: Buffer, pack: number): boolean {
    if (this.#count === 0) return false;
    const before = (this.#count - 1) * recordBytes;
    return (
      this.#records.readUInt32LE(before + idBytes) === pack &&
      this.#records.compare(record, 0, idBytes, before, before + idBytes) === 0
    );
  }

  async #store(): Promise<void> {
    if (this.#count === 0) return;
    const { store, keys } = this.#context;
    const records = this.#records.subarray(0, this.#count * recordBytes);
    const packs = Buffer.concat([...this.#packs.keys()].map((key) => Buffer.from(key, 'latin1')));
    const segment = buildSegment(keys, this.#session.idBytes, records, packs, true);
    await store.put(segmentName(segment.hash), segment.bytes, { retainUntil: this.#retainUntil });
    this.#hashes.push(segment.hash);
    this.#count = 0;
    this.#packs = new Map();
  }

  async finish(): Promise<string[]> {
    await this.#store();
    return this.#hashes;
  }
}
