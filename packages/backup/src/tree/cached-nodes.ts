/** A node source that keeps the nodes used last: neighbouring blocks share all but their leaf. */
import { PageCache } from '../index/page-cache.ts';
import type { NodeSource } from './node-source.ts';

const cacheBytes = 4 * 2 ** 20;
/** A walk over nodes that are in memory waits for nothing: after so many, others get their turn. */
const nodesAtOnce = 64;

export class CachedNodes implements NodeSource {
  readonly #source: NodeSource;
  readonly #cache = new PageCache(cacheBytes);
  #reads = 0;

  constructor(source: NodeSource) {
    this.#source = source;
  }

  async readNode(id: Buffer, signal?: AbortSignal): Promise<Buffer> {
    this.#reads += 1;
    if (this.#reads % nodesAtOnce === 0) await new Promise((resolve) => setImmediate(resolve));
    const key = id.toString('latin1');
    const cached = this.#cache.get(key);
    if (cached) return cached;
    const content = await this.#source.readNode(id, signal);
    this.#cache.set(key, content);
    return content;
  }
}
