/** Nodes in memory, and how many were written and read: for tests. */
import type { RepositoryKeys } from '../crypto/keys.ts';
import { nodeId } from '../pack/blob.ts';
import type { NodeSource } from './node-source.ts';
import type { NodeSink } from './tree-writer.ts';

export class MemoryNodes implements NodeSource, NodeSink {
  readonly #keys: RepositoryKeys;
  readonly #nodes = new Map<string, Buffer>();
  writes = 0;
  reads = 0;

  constructor(keys: RepositoryKeys) {
    this.#keys = keys;
  }

  async putNode(content: Buffer): Promise<Buffer> {
    this.writes += 1;
    const id = nodeId(this.#keys, content);
    this.#nodes.set(id.toString('hex'), Buffer.from(content));
    return id;
  }

  async readNode(id: Buffer): Promise<Buffer> {
    this.reads += 1;
    return this.#nodes.get(id.toString('hex'))!;
  }
}
