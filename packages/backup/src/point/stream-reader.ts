/** Reads one disk or document of a point, as a whole disk whatever it was built on. */
import type { RepositoryContext } from '../context.ts';
import { repositoryErrors } from '../errors.ts';
import { blockBytes, fanOut } from '../format/config.ts';
import { blockId } from '../pack/blob.ts';
import { countBlocks } from '../tree/count-blocks.ts';
import { blockLength, entrySpan, isZeroId, nodeEntry } from '../tree/geometry.ts';
import { readNodeAt } from '../tree/node-source.ts';
import { type BlockEntry, type Tree, walkBlocks, walkDifferences } from '../tree/tree-walk.ts';
import { type PointStream, treeOf } from './point.ts';

export interface Extent {
  readonly offset: number;
  readonly length: number;
}

export class StreamReader {
  readonly name: string;
  readonly sizeBytes: number;
  readonly tree: Tree;
  readonly #context: RepositoryContext;

  constructor(context: RepositoryContext, stream: PointStream) {
    this.#context = context;
    this.name = stream.name;
    this.sizeBytes = stream.sizeBytes;
    this.tree = treeOf(stream);
  }

  /** The id of a block; the zero id for zeros. */
  async blockId(block: number, signal?: AbortSignal): Promise<Buffer> {
    let id = this.tree.root;
    for (let level = this.tree.height - 1; level >= 0 && !isZeroId(id); level -= 1) {
      const node = await readNodeAt(this.#context.nodes, id, level, signal);
      id = nodeEntry(node, Math.floor(block / entrySpan(level)) % fanOut);
    }
    return id;
  }

  /** Whether the blocks that `data` covers, from `offset` on, are what the point holds; both at whole blocks. */
  async matches(offset: number, data: Buffer, signal?: AbortSignal): Promise<Extent[]> {
    this.#checkRange(offset, data.length);
    if (offset % blockBytes !== 0) throw this.#range(`${offset} is not at the beginning of a block`);
    const different: Extent[] = [];
    for (let done = 0; done < data.length; done += blockBytes) {
      const piece = data.subarray(done, Math.min(done + blockBytes, data.length));
      const stored = await this.blockId((offset + done) / blockBytes, signal);
      const isSame = isZeroId(stored)
        ? piece.every((byte) => byte === 0)
        : blockId(this.#context.keys, piece).equals(stored);
      if (!isSame) addExtent(different, offset + done, piece.length);
    }
    return different;
  }

  /** @throws repository.range, repository.blob-missing, repository.object-damaged */
  async read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    this.#checkRange(offset, length);
    const result = Buffer.alloc(length);
    for (let done = 0; done < length; ) {
      const block = Math.floor((offset + done) / blockBytes);
      const within = offset + done - block * blockBytes;
      const take = Math.min(blockBytes - within, length - done);
      const id = await this.blockId(block, signal);
      if (!isZeroId(id)) {
        const content = await this.#context.blocks.read(id, signal);
        this.#checkBlock(block, content);
        content.copy(result, done, within, within + take);
      }
      done += take;
    }
    return result;
  }

  /** The blocks that are not zero, in order. */
  blocks(first = 0, end = this.tree.blocks, signal?: AbortSignal): AsyncIterable<BlockEntry> {
    return walkBlocks(this.#context.nodes, this.tree, first, end, signal);
  }

  /** How much of it is not zero, to whole blocks: what a restore writes. */
  async dataBytes(signal?: AbortSignal): Promise<number> {
    const blocks = await countBlocks(this.#context.nodes, this.tree, signal);
    return Math.min(this.sizeBytes, blocks * blockBytes);
  }

  /** The ranges that are not zero, in order, as few as possible; of a part of the disk, to whole blocks, if one is given. */
  async *extents(signal?: AbortSignal, part?: Extent): AsyncIterable<Extent> {
    const first = part ? Math.floor(part.offset / blockBytes) : 0;
    const end = part ? Math.ceil((part.offset + part.length) / blockBytes) : this.tree.blocks;
    yield* this.#join(this.blocks(first, end, signal));
  }

  /** The ranges in which this disk differs from an older one of the same size. */
  async *changesSince(older: StreamReader, signal?: AbortSignal): AsyncIterable<Extent> {
    if (older.sizeBytes !== this.sizeBytes) {
      throw repositoryErrors['base-mismatch']({ name: this.name, reason: 'its size was another' });
    }
    const differences = walkDifferences(
      this.#context.nodes,
      older.tree,
      this.tree,
      0,
      this.tree.blocks,
      signal,
    );
    yield* this.#join(differences);
  }

  async *#join(blocks: AsyncIterable<BlockEntry>): AsyncIterable<Extent> {
    let current: { offset: number; length: number } | undefined;
    for await (const { block } of blocks) {
      const offset = block * blockBytes;
      const length = Math.min(blockBytes, this.sizeBytes - offset);
      if (current && current.offset + current.length === offset) current.length += length;
      else {
        if (current) yield current;
        current = { offset, length };
      }
    }
    if (current) yield current;
  }

  /** A hostile point may name a block of another length; its id is right all the same. */
  #checkBlock(block: number, content: Buffer): void {
    if (content.length === blockLength(this.sizeBytes, block)) return;
    const reason = `block ${block} has the wrong length`;
    throw repositoryErrors['object-damaged']({ name: this.name, reason });
  }

  #checkRange(offset: number, length: number): void {
    const isInside =
      Number.isSafeInteger(offset) && offset >= 0 && length >= 0 && offset + length <= this.sizeBytes;
    if (!isInside)
      throw this.#range(`${length} bytes at ${offset} do not lie within its ${this.sizeBytes} bytes`);
  }

  #range(reason: string): Error {
    return repositoryErrors.range({ name: this.name, reason });
  }
}

function addExtent(extents: Extent[], offset: number, length: number): void {
  const last = extents.at(-1);
  if (last && last.offset + last.length === offset) {
    extents[extents.length - 1] = { offset: last.offset, length: last.length + length };
  } else extents.push({ offset, length });
}
