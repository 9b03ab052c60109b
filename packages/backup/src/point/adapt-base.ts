/** A tree of another size: what an incremental of a resized disk builds on. */
import { blockBytes } from '../format/config.ts';
import type { BlobReader } from '../pack/blob-reader.ts';
import type { BlobWriter } from '../pack/blob-writer.ts';
import {
  blockCount,
  blockLength,
  emptyNode,
  isZeroId,
  nodeEntry,
  treeHeight,
  zeroId,
} from '../tree/geometry.ts';
import { type NodeSource, readNodeAt } from '../tree/node-source.ts';
import { TreeWriter } from '../tree/tree-writer.ts';
import type { PointStream } from './point.ts';
import { treeOf } from './point.ts';

interface AdaptParts {
  readonly nodes: NodeSource;
  readonly reader: BlobReader;
  readonly writer: BlobWriter;
  readonly stream: number;
}

/** A writer on the base's tree, made to fit a disk of `sizeBytes`. */
export async function treeOnBase(
  parts: AdaptParts,
  base: PointStream,
  sizeBytes: number,
): Promise<TreeWriter> {
  const sink = parts.writer.nodeSink(parts.stream);
  const old = treeOf(base);
  if (base.sizeBytes === sizeBytes) return new TreeWriter(parts.nodes, sink, old.height, old.root);
  const height = treeHeight(blockCount(sizeBytes));
  const root =
    height >= old.height ? await raise(parts, old.root, old.height, height) : await lower(parts, old, height);
  const tree = new TreeWriter(parts.nodes, sink, height, root);
  await tree.clear(blockCount(sizeBytes), 64 ** height);
  await fitTail(parts, tree, base.sizeBytes, sizeBytes);
  return tree;
}

/** The old tree becomes the first child of taller ones. */
async function raise(parts: AdaptParts, root: Buffer, from: number, to: number): Promise<Buffer> {
  let id = root;
  for (let level = from; level < to && !isZeroId(id); level += 1) {
    const node = emptyNode(level);
    node.set(id, 1);
    id = await parts.writer.nodeSink(parts.stream).putNode(node);
  }
  return id;
}

/** A smaller disk lies below the first entries of the old tree. */
async function lower(parts: AdaptParts, old: { root: Buffer; height: number }, to: number): Promise<Buffer> {
  let id = old.root;
  for (let level = old.height - 1; level >= to; level -= 1) {
    id = nodeEntry(await readNodeAt(parts.nodes, id, level), 0);
  }
  return id;
}

/** The last block may have been shorter than a block, or become so: its content is another then. */
async function fitTail(parts: AdaptParts, tree: TreeWriter, oldSize: number, newSize: number): Promise<void> {
  const common = Math.min(oldSize, newSize);
  if (common % blockBytes === 0) return;
  const block = Math.floor(common / blockBytes);
  const id = Buffer.from(await tree.get(block));
  if (isZeroId(id)) return;
  const content = Buffer.alloc(blockLength(newSize, block));
  (await parts.reader.read(id, 'block')).copy(content);
  const fitted = parts.writer.idOf(content);
  await parts.writer.putBlock(fitted, content, parts.stream);
  await tree.set(block, isZeroId(fitted) ? zeroId : fitted);
}
