/** Which records of the index are needed by points and pins: a bit for each. */
import type { RepositoryContext } from '../context.ts';
import { fanOut } from '../format/config.ts';
import type { PinnedRoot } from '../session/session.ts';
import { isZeroId, nodeEntry } from '../tree/geometry.ts';
import { type NodeVisitor, walkNodes } from '../tree/tree-walk.ts';

export class Liveness {
  readonly #bits: Uint8Array;

  constructor(records: number) {
    this.#bits = new Uint8Array(Math.ceil(records / 8));
  }

  has(record: number): boolean {
    return (this.#bits[record >>> 3]! & (1 << (record & 7))) !== 0;
  }

  /** Notes a record; true if it was noted before. */
  note(record: number): boolean {
    const was = this.has(record);
    this.#bits[record >>> 3]! |= 1 << (record & 7);
    return was;
  }
}

/**
 * Marks from the roots. Of several places of a blob one is marked, a doomed one only if there is no other. Blobs that
 * are lost are left out: no deletion can harm them further.
 */
export async function markLive(
  context: RepositoryContext,
  roots: readonly PinnedRoot[],
  signal?: AbortSignal,
): Promise<Liveness> {
  const { index, nodes } = context;
  const live = new Liveness(index.recordsEnd);
  const note = async (id: Buffer): Promise<boolean> => {
    const place = index.findInMemory(id) ?? (await index.find(id, signal));
    return place !== undefined && live.note(place.record);
  };
  const visitor: NodeVisitor = {
    seen: note,
    visit: async (_id, content, level) => {
      for (let slot = 0; level === 0 && slot < fanOut; slot += 1) {
        const id = nodeEntry(content, slot);
        if (!isZeroId(id)) await note(id);
      }
    },
    // What hangs from a lost node is lost to its points; another point may hold it by another way.
    lost: () => undefined,
  };
  for (const { root, height } of roots) {
    await walkNodes(nodes, Buffer.from(root, 'hex'), height - 1, visitor, signal);
  }
  return live;
}
