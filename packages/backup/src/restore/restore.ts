/**
 * Restores a stream: in windows of the disk, whose blobs are read in the order in which they lie in their packs,
 * unpacked by the worker threads, compared with their ids, and only then written.
 */

import type { RepositoryContext } from '../context.ts';
import { isLoss, repositoryErrors } from '../errors.ts';
import { blockBytes } from '../format/config.ts';
import { blobKind } from '../format/length-word.ts';
import { readInto } from '../object-store/object-store.ts';
import { idBytes } from '../pack/blob.ts';
import { packName } from '../pack/pack-format.ts';
import type { Extent, StreamReader } from '../point/stream-reader.ts';
import { blockLength } from '../tree/geometry.ts';
import type { BlockEntry } from '../tree/tree-walk.ts';
import { inParallel } from './in-parallel.ts';
import { planReads, type ReadRun, runBytes, unpackedRunBytes, type WantedBlob } from './plan.ts';
import type { RestoreSink } from './restore-sink.ts';

export interface RestoreOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes of the disk were written, now and then. */
  readonly onProgress?: ((writtenBytes: number) => void) | undefined;
  /** Goes on where blocks are damaged or missing, leaving them zero; the result lists them. */
  readonly skipDamaged?: boolean | undefined;
}

export interface RestoreResult {
  readonly writtenBytes: number;
  /** Empty unless `skipDamaged`. */
  readonly damaged: readonly Extent[];
}

/** Blocks planned together: 1 GiB of disk. */
const windowBlocks = 16_384;

/** @throws repository.object-damaged, repository.blob-missing unless `skipDamaged` */
export async function restoreStream(
  context: RepositoryContext,
  stream: StreamReader,
  sink: RestoreSink,
  options: RestoreOptions = {},
): Promise<RestoreResult> {
  const restore = new Restore(context, stream, sink, options);
  let window: BlockEntry[] = [];
  for await (const entry of stream.blocks(0, stream.tree.blocks, options.signal)) {
    window.push(entry);
    if (window.length < windowBlocks) continue;
    await restore.writeWindow(window);
    window = [];
  }
  await restore.writeWindow(window);
  await restore.zeroRest();
  return { writtenBytes: restore.writtenBytes, damaged: restore.damaged };
}

/** Memory of one run, shared with the threads: what is read, and what it unpacks to. */
interface Slab {
  readonly data: SharedArrayBuffer;
  readonly out: SharedArrayBuffer;
}

function newSlab(): Slab {
  const data = new SharedArrayBuffer(runBytes + 2 * blockBytes);
  return { data, out: new SharedArrayBuffer(unpackedRunBytes) };
}

class Restore {
  readonly #context: RepositoryContext;
  readonly #stream: StreamReader;
  readonly #sink: RestoreSink;
  readonly #options: RestoreOptions;
  readonly damaged: Extent[] = [];
  writtenBytes = 0;
  readonly #slabs: Slab[] = [];
  /** Up to where zero ranges were told to the sink. */
  #zeroedTo = 0;

  constructor(context: RepositoryContext, stream: StreamReader, sink: RestoreSink, options: RestoreOptions) {
    this.#context = context;
    this.#stream = stream;
    this.#sink = sink;
    this.#options = options;
  }

  async writeWindow(window: readonly BlockEntry[]): Promise<void> {
    await this.#zeroBetween(window);
    await this.#writeEntries(window, true);
  }

  async #writeEntries(entries: readonly BlockEntry[], mayRetry: boolean): Promise<void> {
    const runs = planReads(await this.#locate(entries));
    const moved: BlockEntry[] = [];
    await inParallel(runs, this.#context.pool.size + 2, async (run) => {
      this.#options.signal?.throwIfAborted();
      try {
        await this.#writeRun(run, entries);
      } catch (cause) {
        if (!isLoss(cause)) throw cause;
        if (!mayRetry) await this.#writeOneByOne(run.blobs.map(({ at }) => entries[at]!));
        else moved.push(...run.blobs.map(({ at }) => entries[at]!));
      }
    });
    if (moved.length === 0) return;
    // Maintenance may have moved them: look again, once.
    await this.#context.refresh(this.#options.signal);
    await this.#writeEntries(moved, false);
  }

  /** The pack is gone or its header damaged: each block may lie elsewhere. */
  async #writeOneByOne(entries: readonly BlockEntry[]): Promise<void> {
    for (const entry of entries) await this.#writeFromElsewhere(entry, this.#stream.name);
  }

  async #locate(entries: readonly BlockEntry[]): Promise<WantedBlob[]> {
    const { index } = this.#context;
    const wanted: WantedBlob[] = [];
    let isFresh = false;
    for (let at = 0; at < entries.length; at += 1) {
      const { id } = entries[at]!;
      let place = index.findInMemory(id) ?? (await index.find(id, this.#options.signal));
      if (!place && !isFresh) {
        // A new look may renumber the packs: begin again with it.
        await this.#context.refresh(this.#options.signal);
        isFresh = true;
        wanted.length = 0;
        at = -1;
        continue;
      }
      if (place && blobKind(place.word) !== 'block') place = undefined;
      if (place) wanted.push({ at, pack: place.pack, offset: place.offset, word: place.word });
      else this.#lose([entries[at]!], repositoryErrors['blob-missing']({ id: id.toString('hex') }));
    }
    return wanted;
  }

  async #writeRun(run: ReadRun, entries: readonly BlockEntry[]): Promise<void> {
    const { store, index, pool, reader } = this.#context;
    const signal = this.#options.signal;
    const name = packName(index.packs.hash(run.pack));
    const header = await reader.packHeader(name, signal);
    const places = Uint32Array.from(run.blobs.flatMap(({ offset, word }) => [offset, word]));
    const ids = new Uint8Array(run.blobs.length * idBytes);
    for (const [i, { at }] of run.blobs.entries()) ids.set(entries[at]!.id, i * idBytes);
    const slab = this.#slabs.pop() ?? newSlab();
    try {
      // What a truncated pack does not give stays what it was before; no id fits it.
      await readInto(store, name, run.offset, Buffer.from(slab.data, 0, run.length), signal);
      const place = { start: run.offset, places, ids };
      const { lengths } = await pool.run({
        type: 'decode',
        header: new Uint8Array(header),
        ...slab,
        ...place,
      });
      await this.#writeContents(Buffer.from(slab.out), lengths, run, entries, name);
    } finally {
      this.#slabs.push(slab);
    }
  }

  /** Contents that follow each other on the disk too are written in one piece. */
  async #writeContents(
    data: Buffer,
    lengths: Uint32Array,
    run: ReadRun,
    entries: readonly BlockEntry[],
    name: string,
  ): Promise<void> {
    let from = 0;
    let used = 0;
    let target = -1;
    const writePiece = async (): Promise<void> => {
      if (used > from) await this.#write(target, data.subarray(from, used));
      from = used;
    };
    for (const [i, { at }] of run.blobs.entries()) {
      const { block } = entries[at]!;
      const length = lengths[i]!;
      if (length !== blockLength(this.#stream.sizeBytes, block)) {
        await writePiece();
        from = used + length;
        await this.#writeFromElsewhere(entries[at]!, name);
      } else if (target < 0 || from === used || target + (used - from) !== block * blockBytes) {
        await writePiece();
        target = block * blockBytes;
      }
      used += length;
    }
    await writePiece();
  }

  /** A blob that is damaged in one pack may be sound in another. */
  async #writeFromElsewhere(entry: BlockEntry, name: string): Promise<void> {
    try {
      const content = await this.#context.reader.read(entry.id, 'block', this.#options.signal);
      const length = blockLength(this.#stream.sizeBytes, entry.block);
      const reason = `block ${entry.block} of ${this.#stream.name} is not what its id names`;
      if (content.length !== length) throw repositoryErrors['object-damaged']({ name, reason });
      await this.#write(entry.block * blockBytes, content);
    } catch (cause) {
      if (!isLoss(cause)) throw cause;
      this.#lose([entry], cause);
    }
  }

  async #write(offset: number, data: Buffer): Promise<void> {
    await this.#sink.write(offset, data);
    this.writtenBytes += data.length;
    this.#options.onProgress?.(this.writtenBytes);
  }

  #lose(entries: readonly BlockEntry[], cause: unknown): void {
    if (!this.#options.skipDamaged) throw cause;
    for (const { block } of entries) {
      const length = blockLength(this.#stream.sizeBytes, block);
      this.damaged.push({ offset: block * blockBytes, length });
    }
  }

  async #zeroBetween(window: readonly BlockEntry[]): Promise<void> {
    if (!this.#sink.zero) return;
    for (const { block } of window) {
      await this.#zeroUpTo(block * blockBytes);
      this.#zeroedTo = block * blockBytes + blockLength(this.#stream.sizeBytes, block);
    }
  }

  async zeroRest(): Promise<void> {
    if (this.#sink.zero) await this.#zeroUpTo(this.#stream.sizeBytes);
  }

  async #zeroUpTo(offset: number): Promise<void> {
    if (offset > this.#zeroedTo) await this.#sink.zero?.(this.#zeroedTo, offset - this.#zeroedTo);
    this.#zeroedTo = Math.max(this.#zeroedTo, offset);
  }
}
