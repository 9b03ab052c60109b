/** Walking trees: the blocks of one, and where two differ. Equal ids are equal content, so equal subtrees are skipped. */
import { fanOut } from '../format/config.ts';
import { entrySpan, isZeroId, nodeEntry, zeroId } from './geometry.ts';
import { type NodeSource, readNodeAt } from './node-source.ts';

export interface Tree {
  readonly root: Buffer;
  readonly height: number;
  readonly blocks: number;
}

export interface BlockEntry {
  readonly block: number;
  readonly id: Buffer;
}

/** The blocks from `first` to before `end` that are not zero, in order. */
export async function* walkBlocks(
  source: NodeSource,
  tree: Tree,
  first = 0,
  end = tree.blocks,
  signal?: AbortSignal,
): AsyncIterable<BlockEntry> {
  for await (const difference of walkDifferences(
    source,
    { ...tree, root: zeroId },
    tree,
    first,
    end,
    signal,
  )) {
    yield difference;
  }
}

/** The blocks of `after` that differ from `before`, in order; both trees have the same height. */
export async function* walkDifferences(
  source: NodeSource,
  before: Tree,
  after: Tree,
  first = 0,
  end = after.blocks,
  signal?: AbortSignal,
): AsyncIterable<BlockEntry> {
  if (before.root.equals(after.root)) return;
  const level = after.height - 1;
  yield* walkNode(source, before.root, after.root, level, 0, first, Math.min(end, after.blocks), signal);
}

async function* walkNode(
  source: NodeSource,
  beforeId: Buffer,
  afterId: Buffer,
  level: number,
  base: number,
  first: number,
  end: number,
  signal?: AbortSignal,
): AsyncIterable<BlockEntry> {
  signal?.throwIfAborted();
  const before = await readNodeAt(source, beforeId, level, signal);
  const after = await readNodeAt(source, afterId, level, signal);
  const span = entrySpan(level);
  for (let slot = 0; slot < fanOut; slot += 1) {
    const start = base + slot * span;
    if (start >= end) return;
    if (start + span <= first) continue;
    const [old, now] = [nodeEntry(before, slot), nodeEntry(after, slot)];
    if (old.equals(now)) continue;
    if (level === 0) yield { block: start, id: now };
    else yield* walkNode(source, old, now, level - 1, start, first, end, signal);
  }
}

/**
 * Every id that a tree refers to, each subtree of `seen` once. `visit` gets a node's content and level, children
 * before their parents.
 *
 * `seen` answers whether a node was visited before and notes it.
 */
export async function walkNodes(
  source: NodeSource,
  root: Buffer,
  level: number,
  seen: (id: Buffer) => boolean,
  visit: (id: Buffer, content: Buffer, level: number) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  if (isZeroId(root) || seen(root)) return;
  signal?.throwIfAborted();
  const content = await readNodeAt(source, root, level, signal);
  for (let slot = 0; level > 0 && slot < fanOut; slot += 1) {
    await walkNodes(source, nodeEntry(content, slot), level - 1, seen, visit, signal);
  }
  await visit(root, content, level);
}
