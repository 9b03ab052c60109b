/** Which points need a blob that is lost, and where. */
import type { RepositoryContext } from '../context.ts';
import { blockBytes, fanOut } from '../format/config.ts';
import { blobKind } from '../format/length-word.ts';
import { RecordTable } from '../index/record-table.ts';
import type { BlobLocation } from '../index/repository-index.ts';
import { type Point, type PointStream, treeOf } from '../point/point.ts';
import { blockLength, entrySpan, isZeroId, nodeEntry } from '../tree/geometry.ts';
import { type NodeVisitor, walkNodes } from '../tree/tree-walk.ts';
import type { HarmedBackup, HarmedStream } from './check-report.ts';

const rangesListed = 16;
const nowhere = { pack: 0, offset: 0, word: 0 };

/** Whether a place holds what it should. */
export type IsPlaceSound = (place: BlobLocation) => boolean;

export class HarmFinder {
  readonly #context: RepositoryContext;
  readonly #isPlaceSound: IsPlaceSound;
  /** Nodes below which all is sound: walked once for all points. */
  readonly #soundNodes = new RecordTable();

  constructor(context: RepositoryContext, isPlaceSound: IsPlaceSound) {
    this.#context = context;
    this.#isPlaceSound = isPlaceSound;
  }

  /** What of a point is lost; null if nothing is. */
  async harmOf(point: Point, signal?: AbortSignal): Promise<HarmedBackup | null> {
    const streams: HarmedStream[] = [];
    for (const [list, isDocument] of [
      [point.disks, false],
      [point.documents, true],
    ] as const) {
      for (const stream of list) {
        const harm = await this.#harmOfStream(stream, isDocument, signal);
        if (harm) streams.push(harm);
      }
    }
    if (streams.length === 0) return null;
    return { point: point.id, vm: point.vm.name, name: point.name, createdAt: point.createdAt, streams };
  }

  async #harmOfStream(
    stream: PointStream,
    isDocument: boolean,
    signal?: AbortSignal,
  ): Promise<HarmedStream | null> {
    const tree = treeOf(stream);
    const ranges: { offset: number; length: number }[] = [];
    let lostBytes = 0;
    /** Blocks below some node are lost: the nodes above are not sound. */
    let losses = 0;
    const lose = (firstBlock: number, blocks: number): void => {
      losses += 1;
      const end = Math.min(firstBlock + blocks, tree.blocks);
      const length = (end - 1 - firstBlock) * blockBytes + blockLength(stream.sizeBytes, end - 1);
      lostBytes += length;
      addRange(ranges, firstBlock * blockBytes, length);
    };
    const visitor: NodeVisitor = {
      seen: (id) => this.#soundNodes.has(id),
      visit: async (_id, content, level, firstBlock) => {
        for (let slot = 0; level === 0 && slot < fanOut; slot += 1) {
          const id = nodeEntry(content, slot);
          if (!isZeroId(id) && !(await this.#isBlobSound(id, 'block', signal))) lose(firstBlock + slot, 1);
        }
      },
      lost: (_id, level, firstBlock) => lose(firstBlock, entrySpan(level + 1)),
    };
    await this.#walk(tree.root, tree.height - 1, 0, visitor, () => losses, signal);
    return lostBytes > 0 ? { name: stream.name, isDocument, ranges, lostBytes } : null;
  }

  /** Walks one subtree after the other, so that each can be noted as sound by itself. */
  async #walk(
    root: Buffer,
    level: number,
    firstBlock: number,
    visitor: NodeVisitor,
    losses: () => number,
    signal?: AbortSignal,
  ): Promise<void> {
    const soundBelow: { id: Buffer; before: number }[] = [];
    const noting: NodeVisitor = {
      ...visitor,
      seen: async (id) => {
        if (await visitor.seen(id)) return true;
        soundBelow.push({ id: Buffer.from(id), before: losses() });
        // A node whose every copy is lost shows when it is read; one that was proved bad shows here.
        return false;
      },
      visit: async (id, content, nodeLevel, block) => {
        await visitor.visit(id, content, nodeLevel, block);
        const entry = soundBelow.findLast((candidate) => candidate.id.equals(id));
        if (entry && entry.before === losses()) this.#soundNodes.add(id, nowhere);
        soundBelow.splice(soundBelow.indexOf(entry!), 1);
      },
    };
    const source = { readNode: (id: Buffer) => this.#readSoundNode(id, signal) };
    await walkNodes(source, root, level, noting, signal, firstBlock);
  }

  async #readSoundNode(id: Buffer, signal?: AbortSignal): Promise<Buffer> {
    // Reading compares the hash, so a node that reads is sound, wherever it came from.
    return await this.#context.nodes.readNode(id, signal);
  }

  async #isBlobSound(id: Buffer, kind: 'block' | 'node', signal?: AbortSignal): Promise<boolean> {
    const places = await this.#context.index.locations(id, signal);
    return places.some((place) => blobKind(place.word) === kind && this.#isPlaceSound(place));
  }
}

function addRange(ranges: { offset: number; length: number }[], offset: number, length: number): void {
  const last = ranges.at(-1);
  if (last && last.offset + last.length === offset) last.length += length;
  else if (ranges.length < rangesListed) ranges.push({ offset, length });
}
