/** The shape of a disk's tree (docs/formats/repository.md, "Ids, blocks and nodes"). */
import { blockBytes, fanOut } from '../format/config.ts';
import { idBytes, nodeBytes } from '../pack/blob.ts';

export const maxHeight = 8;
export const zeroId: Buffer = Buffer.alloc(idBytes);

export function blockCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / blockBytes);
}

/** The least height whose tree holds `blocks` blocks, at least 1. */
export function treeHeight(blocks: number): number {
  let height = 1;
  while (fanOut ** height < blocks) height += 1;
  return height;
}

/** How many blocks lie below one entry of a node of this level. */
export function entrySpan(level: number): number {
  return fanOut ** level;
}

/** The length of block `block` of a disk of this size. */
export function blockLength(sizeBytes: number, block: number): number {
  return Math.min(blockBytes, sizeBytes - block * blockBytes);
}

export function isZeroId(id: Uint8Array): boolean {
  return zeroId.equals(id);
}

export function emptyNode(level: number): Buffer {
  const content = Buffer.alloc(nodeBytes);
  content[0] = level;
  return content;
}

const zeroEntries = Buffer.alloc(fanOut * idBytes);

export function isEmptyNode(content: Buffer): boolean {
  return zeroEntries.compare(content, 1) === 0;
}

/** The id in place `slot`; a view. */
export function nodeEntry(content: Buffer, slot: number): Buffer {
  return content.subarray(1 + slot * idBytes, 1 + (slot + 1) * idBytes);
}
