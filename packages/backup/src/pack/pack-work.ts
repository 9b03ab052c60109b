/** What a worker thread does: compress, seal, prove and unpack. Plain functions over one state, testable in place. */
import { asBuffer } from '../crypto/blake3.ts';
import { type RepositoryKeys, uuidBytes } from '../crypto/keys.ts';
import { openSealer, type Sealer } from '../crypto/sealer.ts';
import { blobKind, storedLength } from '../format/length-word.ts';
import { decodeBlob, idBytes, isContentOf } from './blob.ts';
import { builderBytes, damagedEntries, PackBuilder } from './pack-builder.ts';
import { directoryEntryBytes, openDirectory, packHash } from './pack-format.ts';
import type {
  DecodeReply,
  DecodeRequest,
  EncodedPack,
  EncodeReply,
  EncodeRequest,
  FlushRequest,
  ProveReply,
  ProveRequest,
  WorkerRequest,
} from './worker-protocol.ts';

interface OpenPack {
  readonly builder: PackBuilder;
  readonly memory: SharedArrayBuffer;
}

const mostSpare = 1;

export class PackWork {
  readonly #keys: RepositoryKeys;
  readonly #open = new Map<string, OpenPack>();
  /** Memory of packs that are stored, to build others in. */
  readonly #spare: SharedArrayBuffer[] = [];
  #sealer: Sealer | null = null;

  constructor(keys: RepositoryKeys) {
    this.#keys = keys;
  }

  do(request: WorkerRequest): EncodeReply | DecodeReply | ProveReply {
    switch (request.type) {
      case 'encode':
        return this.#encode(request);
      case 'flush':
        return this.#flush(request);
      case 'decode':
        return decode(this.#keys, this.#sealerOf(asBuffer(request.header)), request);
      case 'prove':
        return prove(this.#keys, request);
    }
  }

  /** Reads of one pack follow each other. */
  #sealerOf(header: Buffer): Sealer | null {
    if (!this.#sealer?.header.equals(header)) this.#sealer = openSealer(this.#keys, 'P', header);
    return this.#sealer;
  }

  takeBack(memory: SharedArrayBuffer): void {
    if (this.#spare.length < mostSpare) this.#spare.push(memory);
  }

  #encode(request: EncodeRequest): EncodeReply {
    const packs: EncodedPack[] = [];
    const { session, places, ids } = request;
    const data = Buffer.from(request.data);
    for (let at = 0; at < places.length / 2; at += 1) {
      const open = this.#openPack(session);
      const start = places[at * 2]!;
      open.builder.add(
        ids.subarray(at * idBytes, (at + 1) * idBytes),
        data.subarray(start, start + places[at * 2 + 1]!),
      );
      if (!open.builder.isFull) continue;
      packs.push(this.#finish(session, open));
    }
    return { packs };
  }

  #finish(session: string, { builder, memory }: OpenPack): EncodedPack {
    this.#open.delete(session);
    const { hash, bytes, entries } = builder.finish();
    return { hash, data: memory, length: bytes.length, entries: new Uint8Array(entries) };
  }

  #flush(request: FlushRequest): EncodeReply {
    const open = this.#open.get(request.session);
    if (!open) return { packs: [] };
    if (!request.discard) return { packs: [this.#finish(request.session, open)] };
    this.#open.delete(request.session);
    this.takeBack(open.memory);
    return { packs: [] };
  }

  #openPack(session: string): OpenPack {
    const known = this.#open.get(session);
    if (known) return known;
    const memory = this.#spare.pop() ?? new SharedArrayBuffer(builderBytes);
    const builder = new PackBuilder(this.#keys, uuidBytes(session), 'block', Buffer.from(memory));
    const open = { builder, memory };
    this.#open.set(session, open);
    return open;
  }
}

function decode(keys: RepositoryKeys, sealer: Sealer | null, request: DecodeRequest): DecodeReply {
  const { places, ids, start } = request;
  const data = Buffer.from(request.data);
  const count = places.length / 2;
  const lengths = new Uint32Array(count);
  const out = Buffer.from(request.out);
  let used = 0;
  for (let at = 0; sealer && at < count; at += 1) {
    const offset = places[at * 2]!;
    const word = places[at * 2 + 1]!;
    const stored = data.subarray(offset - start, offset - start + storedLength(word));
    const target = out.subarray(used);
    const plain = decodeBlob(sealer, offset, word, stored, target);
    const id = ids.subarray(at * idBytes, (at + 1) * idBytes);
    if (!plain || !isContentOf(keys, blobKind(word), id, plain)) continue;
    if (plain.byteOffset !== target.byteOffset || plain.buffer !== target.buffer) plain.copy(target);
    lengths[at] = plain.length;
    used += plain.length;
  }
  return { lengths };
}

function prove(keys: RepositoryKeys, request: ProveRequest): ProveReply {
  const pack = Buffer.from(request.data, 0, request.length);
  const isNameRight = packHash(keys, pack).toString('hex') === request.hash;
  const directory = openDirectory(keys, pack);
  if (!directory) return { isNameRight, sound: null, damaged: null };
  const bad = new Set(damagedEntries(keys, pack));
  const pick = (wanted: boolean): Uint8Array => {
    const chosen: Buffer[] = [];
    for (let at = 0; at < directory.count; at += 1) {
      if (bad.has(at) !== wanted) continue;
      chosen.push(directory.entries.subarray(at * directoryEntryBytes, (at + 1) * directoryEntryBytes));
    }
    return new Uint8Array(Buffer.concat(chosen));
  };
  return { isNameRight, sound: pick(false), damaged: pick(true) };
}
