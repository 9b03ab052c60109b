/**
 * The blobs of one session on their way into packs: blocks through the worker threads, nodes here. What is stored
 * already is not stored again.
 */
import { asBuffer } from '../crypto/blake3.ts';
import type { RepositoryKeys } from '../crypto/keys.ts';
import { blockBytes } from '../format/config.ts';
import { type BlobKind, storedLength } from '../format/length-word.ts';
import { recordBytes, sortRecords } from '../index/record.ts';
import { RecordTable } from '../index/record-table.ts';
import type { RepositoryIndex } from '../index/repository-index.ts';
import { buildSegment, segmentName } from '../index/segment-format.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { Session } from '../session/session.ts';
import { zeroId } from '../tree/geometry.ts';
import type { NodeSink } from '../tree/tree-writer.ts';
import { blockId, idBytes, nodeId } from './blob.ts';
import type { PackPlace } from './blob-reader.ts';
import { builderBytes, PackBuilder } from './pack-builder.ts';
import { directoryEntryBytes, packName } from './pack-format.ts';
import type { WorkerPool } from './worker-pool.ts';
import type { EncodedPack, EncodeReply } from './worker-protocol.ts';

const batchBytes = 2 ** 20;
/** Entries after which a segment is stored, so that an interrupted first backup is not in vain. */
const segmentEntries = 2 ** 18;
const zeros = Buffer.alloc(blockBytes);

export interface BlobWriterParts {
  readonly store: ObjectStore;
  readonly keys: RepositoryKeys;
  readonly index: RepositoryIndex;
  readonly pool: WorkerPool;
  readonly session: Session;
  readonly retainUntil?: Date | undefined;
}

interface Batch {
  readonly data: SharedArrayBuffer;
  readonly places: number[];
  readonly ids: Buffer[];
  used: number;
}

export class BlobWriter {
  readonly #parts: BlobWriterParts;
  /** Ids on their way, not yet in the index; their "pack" is the number of the stream that brought them. */
  #pending = new RecordTable();
  /** Blobs of stored packs that no segment lists yet. */
  #unlisted = new RecordTable();
  #unlistedPacks: Buffer[] = [];
  #batch: Batch | undefined;
  readonly #spare: SharedArrayBuffer[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  #failure: unknown;
  #nodes: PackBuilder | undefined;
  /** Nodes of the pack that is being built, and of packs on their way: a tree may want one back. */
  #openNodes = new Map<string, Buffer>();
  readonly #leavingNodes = new Set<Map<string, Buffer>>();
  #storedByStream: number[] = [];
  #segmentTail: Promise<void> = Promise.resolve();
  /** Bytes of all objects put. */
  storedBytes = 0;

  constructor(parts: BlobWriterParts) {
    this.#parts = parts;
  }

  /** Stored bytes of the new blobs that a stream brought. */
  storedFor(stream: number): number {
    return this.#storedByStream[stream] ?? 0;
  }

  /** A node's sink that counts for one stream. */
  nodeSink(stream: number): NodeSink {
    return { putNode: (content) => this.#putNode(content, stream) };
  }

  /** Hashes a block; all zeros are the zero id. */
  idOf(content: Buffer): Buffer {
    const isZero = zeros.compare(content, 0, content.length, 0, content.length) === 0;
    return isZero ? zeroId : blockId(this.#parts.keys, content);
  }

  /** Stores a block under its id unless it is there. Takes a copy; waits while too much is on its way. */
  async putBlock(id: Buffer, content: Buffer, stream: number): Promise<void> {
    if (id !== zeroId && !(await this.#isKnown(id))) await this.#addBlock(id, content, stream);
  }

  async #addBlock(id: Buffer, content: Buffer, stream: number): Promise<void> {
    this.#pending.add(id, { pack: stream, offset: 0, word: 0 });
    let batch = this.#batch;
    if (batch && batch.used + content.length > batchBytes) {
      await this.#dispatch();
      batch = this.#batch;
    }
    batch ??= this.#newBatch();
    content.copy(Buffer.from(batch.data), batch.used);
    batch.places.push(batch.used, content.length);
    batch.ids.push(id);
    batch.used += content.length;
  }

  async #isKnown(id: Buffer): Promise<boolean> {
    const { index } = this.#parts;
    if (this.#pending.has(id) || index.findInMemory(id)) return true;
    if (!index.mayBePaged(id)) return false;
    const location = await index.find(id);
    // Looking took time: the same block may have come in by another disk meanwhile.
    return (location !== undefined && !location.isDoomed) || this.#pending.has(id);
  }

  /** Stores a blob although it is stored already: its pack will go. */
  async copyBlob(id: Buffer, kind: BlobKind, content: Buffer): Promise<void> {
    if (this.#pending.has(id)) return;
    if (kind === 'node') await this.#addNode(Buffer.from(id), content, 0);
    else await this.#addBlock(Buffer.from(id), content, 0);
  }

  #newBatch(): Batch {
    const data = this.#spare.pop() ?? new SharedArrayBuffer(batchBytes);
    this.#batch = { data, places: [], ids: [], used: 0 };
    return this.#batch;
  }

  async #dispatch(): Promise<void> {
    const batch = this.#batch;
    this.#batch = undefined;
    if (!batch) return;
    const { pool, session } = this.#parts;
    const places = Uint32Array.from(batch.places);
    const ids = new Uint8Array(Buffer.concat(batch.ids));
    const request = { type: 'encode', session: session.id, data: batch.data, places, ids } as const;
    this.#track(this.#encode(pool.run(request), batch.data));
    while (this.#inFlight.size > pool.size) await Promise.race(this.#inFlight);
    this.#throwIfFailed();
  }

  async #encode(reply: Promise<EncodeReply>, data: SharedArrayBuffer): Promise<void> {
    const { packs } = await reply;
    this.#spare.push(data);
    for (const pack of packs) await this.#storeEncoded(pack);
  }

  async #storeEncoded({ hash, data, length, entries }: EncodedPack): Promise<void> {
    await this.#storePack(hash, Buffer.from(data, 0, length), asBuffer(entries));
    this.#parts.pool.giveBack(data);
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((cause: unknown) => {
        // Thrown by the next call of the writer: the work itself is awaited by nobody.
        this.#failure ??= cause;
      })
      .finally(() => this.#inFlight.delete(tracked));
    this.#inFlight.add(tracked);
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#parts.session.throwIfLost();
  }

  async #storePack(hash: string, bytes: Buffer, entries: Buffer): Promise<void> {
    const { store, retainUntil } = this.#parts;
    await store.put(packName(hash), bytes, { retainUntil });
    this.storedBytes += bytes.length;
    const pack = this.#unlistedPacks.push(Buffer.from(hash, 'hex')) - 1;
    for (let at = 0; at < entries.length; at += directoryEntryBytes) {
      const id = entries.subarray(at, at + idBytes);
      const word = entries.readUInt32LE(at + idBytes + 4);
      this.#unlisted.add(id, { pack, offset: entries.readUInt32LE(at + idBytes), word });
      this.#count(id, storedLength(word));
    }
    if (this.#unlisted.count >= segmentEntries) await this.#storeSegment();
  }

  #count(id: Buffer, bytes: number): void {
    for (const { pack: stream } of this.#pending.places(id)) {
      this.#storedByStream[stream] = (this.#storedByStream[stream] ?? 0) + bytes;
      return;
    }
  }

  async #putNode(content: Buffer, stream: number): Promise<Buffer> {
    const id = nodeId(this.#parts.keys, content);
    if (!(await this.#isKnown(id))) await this.#addNode(id, content, stream);
    return id;
  }

  async #addNode(id: Buffer, content: Buffer, stream: number): Promise<void> {
    const { keys, session } = this.#parts;
    this.#pending.add(id, { pack: stream, offset: 0, word: 0 });
    this.#nodes ??= new PackBuilder(keys, session.idBytes, 'node', Buffer.allocUnsafeSlow(builderBytes));
    this.#nodes.add(id, content);
    this.#openNodes.set(id.toString('hex'), Buffer.from(content));
    if (this.#nodes.isFull) await this.#finishNodes();
  }

  async #finishNodes(): Promise<void> {
    const builder = this.#nodes;
    const leaving = this.#openNodes;
    if (!builder) return;
    this.#nodes = undefined;
    this.#openNodes = new Map();
    this.#leavingNodes.add(leaving);
    const pack = builder.finish();
    await this.#storePack(pack.hash, pack.bytes, pack.entries);
    this.#leavingNodes.delete(leaving);
  }

  /** The content of a node whose pack is not stored yet. */
  openNode(id: Buffer): Buffer | undefined {
    const key = id.toString('hex');
    for (const nodes of this.#leavingNodes) if (nodes.has(key)) return nodes.get(key);
    return this.#openNodes.get(key);
  }

  /** Whether a blob can be read from the store now. */
  async isReadable(id: Uint8Array): Promise<boolean> {
    return this.place(id) !== undefined || (await this.#parts.index.find(id)) !== undefined;
  }

  /** Where a blob of this session lies, if its pack is stored and no segment lists it yet. */
  place(id: Uint8Array): PackPlace | undefined {
    for (const { pack, offset, word } of this.#unlisted.places(id)) {
      return { pack: this.#unlistedPacks[pack]!.toString('hex'), offset, word };
    }
    return undefined;
  }

  /** Waits until every blob put so far lies in a stored pack. */
  async settle(): Promise<void> {
    const { pool, session } = this.#parts;
    await this.#dispatch();
    await this.#drain();
    const replies = await pool.runOnAll({ type: 'flush', session: session.id, discard: false });
    for (const { packs } of replies) {
      for (const pack of packs) {
        this.#track(this.#storeEncoded(pack));
      }
    }
    this.#track(this.#finishNodes());
    await this.#drain();
  }

  async #drain(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
    this.#throwIfFailed();
  }

  /** Everything put so far is stored and listed in the index. */
  async flush(): Promise<void> {
    await this.settle();
    await this.#storeSegment();
  }

  /** Forgets what the worker threads hold of this session. */
  async discard(): Promise<void> {
    this.#batch = undefined;
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
    await this.#parts.pool.runOnAll({ type: 'flush', session: this.#parts.session.id, discard: true });
  }

  /** One at a time: each takes what is unlisted when its turn comes. */
  async #storeSegment(): Promise<void> {
    const turn = this.#segmentTail.then(() => this.#storeSegmentNow());
    // Whoever called gets the failure; the next segment stands alone.
    this.#segmentTail = turn.catch(() => undefined);
    await turn;
  }

  async #storeSegmentNow(): Promise<void> {
    const { store, keys, session, index, retainUntil } = this.#parts;
    if (this.#unlisted.count === 0) return;
    const [listed, packs] = [this.#unlisted, Buffer.concat(this.#unlistedPacks)];
    const records = sortRecords(listed.records);
    const segment = buildSegment(keys, session.idBytes, records, packs, false);
    await store.put(segmentName(segment.hash), segment.bytes, { retainUntil });
    this.storedBytes += segment.bytes.length;
    await index.adopt(session.id, segment.hash, segment.bytes.length, records, packs);
    this.#dropListed(listed, records.length / recordBytes);
  }

  /** Packs that were stored while the segment was on its way stay unlisted. */
  #dropListed(listed: RecordTable, count: number): void {
    const rest = listed.records.subarray(count * recordBytes);
    const table = new RecordTable();
    const packs: Buffer[] = [];
    const numbers = new Map<number, number>();
    for (let at = 0; at < rest.length; at += recordBytes) {
      const old = rest.readUInt32LE(at + idBytes);
      if (!numbers.has(old)) numbers.set(old, packs.push(this.#unlistedPacks[old]!) - 1);
      const place = {
        pack: numbers.get(old)!,
        offset: rest.readUInt32LE(at + 36),
        word: rest.readUInt32LE(at + 40),
      };
      table.add(rest.subarray(at, at + idBytes), place);
    }
    this.#forgetPending(listed.records.subarray(0, count * recordBytes));
    this.#unlisted = table;
    this.#unlistedPacks = packs;
  }

  #forgetPending(listed: Buffer): void {
    const gone = new RecordTable();
    const nowhere = { pack: 0, offset: 0, word: 0 };
    for (let at = 0; at < listed.length; at += recordBytes)
      gone.add(listed.subarray(at, at + idBytes), nowhere);
    const old = this.#pending.records;
    this.#pending = new RecordTable();
    for (let at = 0; at < old.length; at += recordBytes) {
      const id = old.subarray(at, at + idBytes);
      if (!gone.has(id)) this.#pending.add(id, { ...nowhere, pack: old.readUInt32LE(at + idBytes) });
    }
  }
}
