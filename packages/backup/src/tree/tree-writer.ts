/**
 * A persistent tree: built on the tree of the base, it loads and writes only the nodes on the paths to what
 * changes (docs/formats/repository.md, "Ids, blocks and nodes").
 */
import { fanOut } from '../format/config.ts';
import { idBytes } from '../pack/blob.ts';
import { emptyNode, entrySpan, isEmptyNode, isZeroId, nodeEntry, zeroId } from './geometry.ts';
import { type NodeSource, readNodeAt } from './node-source.ts';

export interface NodeSink {
  /** Stores a node unless it is there already, and says its id. */
  putNode(content: Buffer): Promise<Buffer>;
}

interface HeldNode {
  readonly content: Buffer;
  isDirty: boolean;
}

/** Nodes held before they are written out: 16 MiB. */
const heldLimit = 8192;

export class TreeWriter {
  readonly #source: NodeSource;
  readonly #sink: NodeSink;
  readonly #height: number;
  #root: Buffer;
  /** By level, then by number within the level. */
  #levels: Map<number, HeldNode>[];
  #held = 0;

  constructor(source: NodeSource, sink: NodeSink, height: number, root: Buffer = zeroId) {
    this.#source = source;
    this.#sink = sink;
    this.#height = height;
    this.#root = Buffer.from(root);
    this.#levels = Array.from({ length: height }, () => new Map());
  }

  /** The id of a block now; a view that the next `set` may change. */
  async get(block: number): Promise<Buffer> {
    const leaf = this.#leafInHand(block) ?? (await this.#node(0, Math.floor(block / fanOut)));
    return nodeEntry(leaf.content, block % fanOut);
  }

  async set(block: number, id: Uint8Array): Promise<void> {
    const leaf = this.#leafInHand(block) ?? (await this.#node(0, Math.floor(block / fanOut)));
    leaf.content.set(id, 1 + (block % fanOut) * idBytes);
    leaf.isDirty = true;
    if (this.#held > heldLimit) await this.commit();
  }

  /** Makes the blocks from `first` to before `end` zero; whole subtrees at once. */
  async clear(first: number, end: number): Promise<void> {
    if (first < end) await this.#clear(this.#height - 1, 0, first, end);
  }

  async #clear(level: number, number: number, first: number, end: number): Promise<void> {
    const node = await this.#node(level, number);
    const span = entrySpan(level);
    for (let slot = 0; slot < fanOut; slot += 1) {
      const start = (number * fanOut + slot) * span;
      if (start >= end || start + span <= first) continue;
      const isWhole = start >= first && start + span <= end;
      if (isWhole) this.#clearEntry(level, number, node, slot);
      else if (this.#mayHoldData(level, number, node, slot)) {
        await this.#clear(level - 1, number * fanOut + slot, first, end);
      }
    }
  }

  #clearEntry(level: number, number: number, node: HeldNode, slot: number): void {
    this.#forget(level - 1, number * fanOut + slot);
    if (isZeroId(nodeEntry(node.content, slot))) return;
    node.content.set(zeroId, 1 + slot * idBytes);
    node.isDirty = true;
  }

  /** A held child may hold what its entry does not tell yet. */
  #mayHoldData(level: number, number: number, node: HeldNode, slot: number): boolean {
    return !isZeroId(nodeEntry(node.content, slot)) || this.#levels[level - 1]!.has(number * fanOut + slot);
  }

  #forget(level: number, number: number): void {
    if (level < 0) return;
    if (this.#levels[level]!.delete(number)) this.#held -= 1;
    // Below a node that is not held nothing is: nodes are loaded from the root down.
    else return;
    for (let slot = 0; slot < fanOut; slot += 1) this.#forget(level - 1, number * fanOut + slot);
  }

  /** Writes what changed, from the leaves up, and says the root's id. Writing may go on afterwards. */
  async commit(): Promise<Buffer> {
    for (let level = 0; level < this.#height; level += 1) {
      const dirty = [...this.#levels[level]!].filter(([, node]) => node.isDirty).sort(([a], [b]) => a - b);
      for (const [number, node] of dirty) {
        const id = isEmptyNode(node.content) ? zeroId : await this.#sink.putNode(node.content);
        await this.#setEntry(level + 1, number, id);
      }
    }
    this.#levels = Array.from({ length: this.#height }, () => new Map());
    this.#held = 0;
    return this.#root;
  }

  async #setEntry(level: number, child: number, id: Buffer): Promise<void> {
    if (level === this.#height) {
      this.#root = Buffer.from(id);
      return;
    }
    const parent = await this.#node(level, Math.floor(child / fanOut));
    const slot = child % fanOut;
    if (nodeEntry(parent.content, slot).equals(id)) return;
    parent.content.set(id, 1 + slot * idBytes);
    parent.isDirty = true;
  }

  #leafInHand(block: number): HeldNode | undefined {
    return this.#levels[0]!.get(Math.floor(block / fanOut));
  }

  async #node(level: number, number: number): Promise<HeldNode> {
    const held = this.#levels[level]!.get(number);
    if (held) return held;
    const id = level === this.#height - 1 ? this.#root : await this.#entryAbove(level, number);
    const content = isZeroId(id) ? emptyNode(level) : Buffer.from(await readNodeAt(this.#source, id, level));
    // Another caller may have loaded it meanwhile; the first one in counts.
    const again = this.#levels[level]!.get(number);
    if (again) return again;
    const node = { content, isDirty: false };
    this.#levels[level]!.set(number, node);
    this.#held += 1;
    return node;
  }

  async #entryAbove(level: number, number: number): Promise<Buffer> {
    const parent = await this.#node(level + 1, Math.floor(number / fanOut));
    return nodeEntry(parent.content, number % fanOut);
  }
}
