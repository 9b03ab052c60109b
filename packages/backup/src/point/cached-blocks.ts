/**
 * Single blocks for readers that jump: a guest's 4 KiB requests hit the same block many times, often side by side, and
 * each should be unpacked and proved once.
 */
import { PageCache } from '../index/page-cache.ts';
import type { BlobReader } from '../pack/blob-reader.ts';

const cacheBytes = 16 * 2 ** 20;

export class CachedBlocks {
  readonly #reader: BlobReader;
  readonly #cache = new PageCache(cacheBytes);
  readonly #underWay = new Map<string, Promise<Buffer>>();

  constructor(reader: BlobReader) {
    this.#reader = reader;
  }

  /**
   * The content of a block; it belongs to the cache and must not be changed.
   *
   * @throws repository.blob-missing, repository.object-missing, repository.object-damaged
   */
  async read(id: Buffer, signal?: AbortSignal): Promise<Buffer> {
    const key = id.toString('latin1');
    const cached = this.#cache.get(key);
    if (cached) return cached;
    signal?.throwIfAborted();
    let reading = this.#underWay.get(key);
    if (!reading) {
      // Without a signal: others may wait for the same block, and one block is soon read.
      reading = this.#reader.read(Buffer.from(id), 'block').finally(() => this.#underWay.delete(key));
      this.#underWay.set(key, reading);
    }
    const content = await reading;
    signal?.throwIfAborted();
    this.#cache.set(key, content);
    return content;
  }
}
