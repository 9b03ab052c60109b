/** A node source that keeps the nodes used last: neighbouring blocks share all but their leaf. */
import { PageCache } from '../index/page-cache.ts';
import type { NodeSource } from './node-source.ts';

const cacheBytes = 4 * 2 ** 20;

export class CachedNodes implements NodeSource {
  readonly #source: NodeSource;
  readonly #cache = new PageCache(cacheBytes);

  constructor(source: NodeSource) {
    this.#source = source;
  }

  async readNode(id: Buffer, signal?: AbortSignal): Promise<Buffer> {
    const key = id.toString('latin1');
    const cached = this.#cache.get(key);
    if (cached) return cached;
    const content = await this.#source.readNode(id, signal);
    this.#cache.set(key, content);
    return content;
  }
}
