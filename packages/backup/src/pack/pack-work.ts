/** What a worker thread does: compress, seal, prove and unpack. Plain functions over one state, testable in place. */
import { asBuffer } from '../crypto/blake3.ts';
import { type RepositoryKeys, uuidBytes } from '../crypto/keys.ts';
import { openSealer } from '../crypto/sealer.ts';
import { blobKind, storedLength } from '../format/length-word.ts';
import { decodeBlob, idBytes, isContentOf, plainLimit } from './blob.ts';
import { damagedEntries, type FinishedPack, PackBuilder } from './pack-builder.ts';
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

export class PackWork {
  readonly #keys: RepositoryKeys;
  readonly #open = new Map<string, PackBuilder>();

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
        return decode(this.#keys, request);
      case 'prove':
        return prove(this.#keys, request);
    }
  }

  #encode(request: EncodeRequest): EncodeReply {
    const packs: EncodedPack[] = [];
    const { session, places, ids } = request;
    const data = Buffer.from(request.data);
    for (let at = 0; at < places.length / 2; at += 1) {
      const builder = this.#builder(session);
      const start = places[at * 2]!;
      builder.add(
        ids.subarray(at * idBytes, (at + 1) * idBytes),
        data.subarray(start, start + places[at * 2 + 1]!),
      );
      if (!builder.isFull) continue;
      this.#open.delete(session);
      packs.push(portable(builder.finish()));
    }
    return { packs, data: request.data };
  }

  #flush(request: FlushRequest): EncodeReply {
    const builder = this.#open.get(request.session);
    this.#open.delete(request.session);
    return { packs: builder && !request.discard ? [portable(builder.finish())] : [], data: null };
  }

  #builder(session: string): PackBuilder {
    const known = this.#open.get(session);
    if (known) return known;
    const builder = new PackBuilder(this.#keys, uuidBytes(session), 'block');
    this.#open.set(session, builder);
    return builder;
  }
}

/** A copy only where most of the builder's memory would travel unused. */
function portable(pack: FinishedPack): EncodedPack {
  const isMostlyUnused = pack.bytes.length < pack.bytes.buffer.byteLength / 2;
  const data = isMostlyUnused ? new Uint8Array(pack.bytes) : pack.bytes;
  return { hash: pack.hash, data, entries: new Uint8Array(pack.entries) };
}

function decode(keys: RepositoryKeys, request: DecodeRequest): DecodeReply {
  const { places, ids, start } = request;
  const data = asBuffer(request.data);
  const count = places.length / 2;
  const lengths = new Uint32Array(count);
  const out = Buffer.allocUnsafeSlow(totalLimit(places));
  const sealer = openSealer(keys, 'P', asBuffer(request.header));
  let used = 0;
  for (let at = 0; sealer && at < count; at += 1) {
    const offset = places[at * 2]!;
    const word = places[at * 2 + 1]!;
    const stored = data.subarray(offset - start, offset - start + storedLength(word));
    const plain = decodeBlob(sealer, offset, word, stored);
    const id = ids.subarray(at * idBytes, (at + 1) * idBytes);
    if (!plain || !isContentOf(keys, blobKind(word), id, plain)) continue;
    plain.copy(out, used);
    lengths[at] = plain.length;
    used += plain.length;
  }
  return { data: out.subarray(0, used), lengths };
}

function totalLimit(places: Uint32Array): number {
  let total = 0;
  for (let at = 1; at < places.length; at += 2) total += plainLimit(blobKind(places[at]!));
  return total;
}

function prove(keys: RepositoryKeys, request: ProveRequest): ProveReply {
  const pack = asBuffer(request.data);
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
