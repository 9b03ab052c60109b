/** Writes one disk or document of a point: blocks go to the blob writer, their ids into the tree. */
import { repositoryErrors } from '../errors.ts';
import { blockBytes } from '../format/config.ts';
import type { BlobReader } from '../pack/blob-reader.ts';
import type { BlobWriter } from '../pack/blob-writer.ts';
import { blockCount, blockLength, isZeroId } from '../tree/geometry.ts';
import type { TreeWriter } from '../tree/tree-writer.ts';

export interface StreamWriterParts {
  readonly name: string;
  readonly sizeBytes: number;
  /** Number of the stream in its point. */
  readonly stream: number;
  readonly tree: TreeWriter;
  readonly writer: BlobWriter;
  readonly reader: BlobReader;
}

/** Blocks of which only a part was given so far; more than these are completed and put. */
const partialLimit = 64;

export class StreamWriter {
  readonly #parts: StreamWriterParts;
  readonly #partial = new Map<number, Buffer>();
  #tail: Promise<void> = Promise.resolve();
  readBytes = 0;
  changedBytes = 0;

  constructor(parts: StreamWriterParts) {
    this.#parts = parts;
  }

  /** Puts `data` at `offset`. Calls are carried out in their order. */
  write(offset: number, data: Buffer): Promise<void> {
    this.#checkRange(offset, data.length);
    return this.#inTurn(() => this.#write(offset, data));
  }

  /** Makes a range zero. */
  zero(offset: number, length: number): Promise<void> {
    this.#checkRange(offset, length);
    return this.#inTurn(() => this.#zero(offset, length));
  }

  /** Ends the stream and says the id of its root. */
  async finish(): Promise<Buffer> {
    await this.#inTurn(() => this.#completePartial());
    return await this.#parts.tree.commit();
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#tail.then(work);
    // Whoever called gets the failure; the next turn stands alone.
    this.#tail = turn.catch(() => undefined);
    await turn;
  }

  #checkRange(offset: number, length: number): void {
    const { name, sizeBytes } = this.#parts;
    const isInside =
      Number.isSafeInteger(offset) && offset >= 0 && length >= 0 && offset + length <= sizeBytes;
    if (isInside) return;
    const reason = `${length} bytes at ${offset} do not lie within its ${sizeBytes} bytes`;
    throw repositoryErrors.range({ name, reason });
  }

  async #write(offset: number, data: Buffer): Promise<void> {
    this.readBytes += data.length;
    for (let done = 0; done < data.length; ) {
      const block = Math.floor((offset + done) / blockBytes);
      const within = offset + done - block * blockBytes;
      const length = Math.min(blockLength(this.#parts.sizeBytes, block) - within, data.length - done);
      await this.#writePiece(block, within, data.subarray(done, done + length));
      done += length;
    }
  }

  async #writePiece(block: number, within: number, piece: Buffer): Promise<void> {
    if (piece.length === blockLength(this.#parts.sizeBytes, block)) {
      this.#partial.delete(block);
      await this.#putBlock(block, piece);
      return;
    }
    let content = this.#partial.get(block);
    if (!content) {
      if (this.#partial.size >= partialLimit) await this.#completePartial();
      content = await this.#content(block);
      this.#partial.set(block, content);
    }
    piece.copy(content, within);
  }

  async #completePartial(): Promise<void> {
    for (const [block, content] of this.#partial) await this.#putBlock(block, content);
    this.#partial.clear();
  }

  async #putBlock(block: number, content: Buffer): Promise<void> {
    const { tree, writer, stream } = this.#parts;
    const id = writer.idOf(content);
    const before = await tree.get(block);
    if (before.equals(id)) return;
    this.changedBytes += content.length;
    await writer.putBlock(id, content, stream);
    await tree.set(block, id);
  }

  async #zero(offset: number, length: number): Promise<void> {
    const end = offset + length;
    const first = Math.ceil(offset / blockBytes);
    // The disk's last block is whole even where it is short.
    const last = end === this.#parts.sizeBytes ? blockCount(end) : Math.floor(end / blockBytes);
    if (first >= last) return await this.#zeroPieces(offset, end);
    await this.#zeroPieces(offset, first * blockBytes);
    for (const block of this.#partial.keys()) if (block >= first && block < last) this.#partial.delete(block);
    await this.#parts.tree.clear(first, last);
    await this.#zeroPieces(last * blockBytes, end);
  }

  async #zeroPieces(from: number, end: number): Promise<void> {
    for (let at = from; at < end; ) {
      const block = Math.floor(at / blockBytes);
      const to = Math.min(end, (block + 1) * blockBytes);
      await this.#writePiece(block, at - block * blockBytes, Buffer.alloc(to - at));
      at = to;
    }
  }

  /** What a block holds now, in a buffer that may be changed. */
  async #content(block: number): Promise<Buffer> {
    const { tree, reader, writer, sizeBytes } = this.#parts;
    const content = Buffer.alloc(blockLength(sizeBytes, block));
    const id = Buffer.from(await tree.get(block));
    if (isZeroId(id)) return content;
    // Written earlier in this very point and perhaps still on its way into a pack.
    if (!(await writer.isReadable(id))) await writer.settle();
    (await reader.read(id, 'block')).copy(content);
    return content;
  }
}
