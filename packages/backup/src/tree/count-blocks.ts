/**
 * How many blocks of a disk are not zero. A subtree that is in it many times is counted once: a repository made to harm can
 * describe 2^47 blocks with a handful of nodes, and walking over them all would never end.
 */
import { fanOut } from '../format/config.ts';
import { entrySpan, isZeroId, nodeEntry } from './geometry.ts';
import { type NodeSource, readNodeAt } from './node-source.ts';
import type { Tree } from './tree-walk.ts';

export async function countBlocks(source: NodeSource, tree: Tree, signal?: AbortSignal): Promise<number> {
  const known = new Map<string, number>();

  async function count(id: Buffer, level: number, first: number): Promise<number> {
    const span = entrySpan(level);
    // Leaves would make the table as large as the disk's own map.
    const isKept = level > 0 && first + fanOut * span <= tree.blocks;
    const key = id.toString('latin1');
    const before = isKept ? known.get(key) : undefined;
    if (before !== undefined) return before;
    signal?.throwIfAborted();
    const node = await readNodeAt(source, id, level, signal);
    let blocks = 0;
    for (let slot = 0; slot < fanOut && first + slot * span < tree.blocks; slot += 1) {
      const entry = nodeEntry(node, slot);
      if (!isZeroId(entry)) blocks += level === 0 ? 1 : await count(entry, level - 1, first + slot * span);
    }
    if (isKept) known.set(key, blocks);
    return blocks;
  }

  return isZeroId(tree.root) ? 0 : await count(tree.root, tree.height - 1, 0);
}
