/** Where nodes are read from. */
import { repositoryErrors } from '../errors.ts';
import { nodeBytes } from '../pack/blob.ts';
import { emptyNode, isZeroId } from './geometry.ts';

export interface NodeSource {
  /** The content of a node, its hash compared. */
  readNode(id: Buffer, signal?: AbortSignal): Promise<Buffer>;
}

/** A node of a tree, checked to stand on its level; the zero id is an empty one. */
export async function readNodeAt(
  source: NodeSource,
  id: Buffer,
  level: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  if (isZeroId(id)) return emptyNode(level);
  const content = await source.readNode(id, signal);
  if (content.length !== nodeBytes || content[0] !== level) {
    const reason = `it is no node of level ${level}`;
    throw repositoryErrors['object-damaged']({ name: `node ${id.toString('hex')}`, reason });
  }
  return content;
}
