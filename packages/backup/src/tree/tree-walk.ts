/** Walking trees: the blocks of one, and where two differ. Equal ids are equal content, so equal subtrees are skipped. */
import { isLoss } from '../errors.ts';
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

export interface NodeVisitor {
  /** Whether a node was visited before; notes it. */
  seen(id: Buffer): boolean | Promise<boolean>;
  /** A node's content and level, children before their parents. */
  visit(id: Buffer, content: Buffer, level: number, firstBlock: number): Promise<void>;
  /** A node that cannot be read; without this, that is an error. */
  lost?(id: Buffer, level: number, firstBlock: number, cause: unknown): void;
}

/** Visits every node of a tree, each subtree that was seen before left out. */
export async function walkNodes(
  source: NodeSource,
  id: Buffer,
  level: number,
  visitor: NodeVisitor,
  signal?: AbortSignal,
  firstBlock = 0,
): Promise<void> {
  if (isZeroId(id) || (await visitor.seen(id))) return;
  signal?.throwIfAborted();
  const content = await readOrLose(source, id, level, firstBlock, visitor, signal);
  if (!content) return;
  for (let slot = 0; level > 0 && slot < fanOut; slot += 1) {
    const start = firstBlock + slot * entrySpan(level);
    await walkNodes(source, nodeEntry(content, slot), level - 1, visitor, signal, start);
  }
  await visitor.visit(id, content, level, firstBlock);
}

async function readOrLose(
  source: NodeSource,
  id: Buffer,
  level: number,
  firstBlock: number,
  visitor: NodeVisitor,
  signal?: AbortSignal,
): Promise<Buffer | undefined> {
  try {
    return await readNodeAt(source, id, level, signal);
  } catch (cause) {
    if (!visitor.lost || !isLoss(cause)) throw cause;
    visitor.lost(id, level, firstBlock, cause);
    return undefined;
  }
}
