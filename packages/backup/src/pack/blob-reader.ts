/**
 * Reads single blobs: nodes, and blocks that are asked for here and there. Neighbours in a pack tend to be wanted
 * together, so what was read is kept for a while, and a walk is read ahead of.
 */
import type { RepositoryKeys } from '../crypto/keys.ts';
import { headerBytes, openSealer, type Sealer } from '../crypto/sealer.ts';
import { isLoss, repositoryErrors } from '../errors.ts';
import { type BlobKind, blobKind, storedLength } from '../format/length-word.ts';
import { PageCache } from '../index/page-cache.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { NodeSource } from '../tree/node-source.ts';
import { decodeBlob, isContentOf } from './blob.ts';
import { packName } from './pack-format.ts';
import { ReadAhead, unitBytes } from './read-ahead.ts';

export interface PackPlace {
  /** The pack's hash. */
  readonly pack: string;
  readonly offset: number;
  readonly word: number;
}

export interface BlobLocator {
  /** Every place of a blob, the best first; empty if there is none. */
  locate(id: Uint8Array, signal?: AbortSignal): Promise<PackPlace[]>;
  /** Takes a new look at what maintenance may have moved. */
  refresh(signal?: AbortSignal): Promise<void>;
}

const cacheBytes = 16 * 2 ** 20;

export class BlobReader implements NodeSource {
  readonly #store: ObjectStore;
  readonly #keys: RepositoryKeys;
  readonly #locator: BlobLocator;
  readonly #units = new PageCache(cacheBytes);
  readonly #ahead = new ReadAhead();
  readonly #sealers = new Map<string, Sealer>();

  constructor(store: ObjectStore, keys: RepositoryKeys, locator: BlobLocator) {
    this.#store = store;
    this.#keys = keys;
    this.#locator = locator;
  }

  async readNode(id: Buffer, signal?: AbortSignal): Promise<Buffer> {
    return await this.read(id, 'node', signal);
  }

  /** The content of a blob. @throws repository.blob-missing, repository.object-missing, repository.object-damaged */
  async read(id: Uint8Array, kind: BlobKind, signal?: AbortSignal): Promise<Buffer> {
    try {
      return await this.#readAny(id, kind, signal);
    } catch (cause) {
      if (!isLoss(cause)) throw cause;
      // Maintenance may have moved it: look again, once.
      await this.#locator.refresh(signal);
      return await this.#readAny(id, kind, signal);
    }
  }

  async #readAny(id: Uint8Array, kind: BlobKind, signal?: AbortSignal): Promise<Buffer> {
    let failure: unknown;
    for (const place of await this.#locator.locate(id, signal)) {
      try {
        return await this.readAt(id, kind, place, signal);
      } catch (cause) {
        if (!isLoss(cause)) throw cause;
        failure = cause;
      }
    }
    throw failure ?? repositoryErrors['blob-missing']({ id: Buffer.from(id).toString('hex') });
  }

  /** The content of a blob at one of its places. */
  async readAt(id: Uint8Array, kind: BlobKind, place: PackPlace, signal?: AbortSignal): Promise<Buffer> {
    const name = packName(place.pack);
    const stored = await this.#bytes(name, place.offset, storedLength(place.word), signal);
    const sealer = await this.#sealer(name, signal);
    const plain = blobKind(place.word) === kind ? decodeBlob(sealer, place.offset, place.word, stored) : null;
    if (!plain || !isContentOf(this.#keys, kind, id, plain)) {
      const reason = `the ${kind} at ${place.offset} is not what its id names`;
      throw repositoryErrors['object-damaged']({ name, reason });
    }
    // It is kept, and the memory that it is in is not.
    return Buffer.from(plain);
  }

  async #bytes(name: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    const first = Math.floor(offset / unitBytes);
    const end = Math.floor((offset + length - 1) / unitBytes) + 1;
    const parts: Buffer[] = [];
    while (first + parts.length < end) {
      const unit = first + parts.length;
      const cached = this.#units.get(unitKey(name, unit));
      if (cached) parts.push(cached);
      else parts.push(...(await this.#read(name, unit, end - unit, signal)).slice(0, end - unit));
    }
    const from = offset - first * unitBytes;
    return (parts.length === 1 ? parts[0]! : Buffer.concat(parts)).subarray(from, from + length);
  }

  /** At least `needed` units; those behind the end of the pack are empty. */
  async #read(name: string, first: number, needed: number, signal?: AbortSignal): Promise<Buffer[]> {
    const count = this.#ahead.plan(name, first, needed);
    const range = { offset: first * unitBytes, length: count * unitBytes };
    const bytes = await this.#store.read(name, range, signal);
    const units = Array.from({ length: count }, (_, at) =>
      bytes.subarray(at * unitBytes, (at + 1) * unitBytes),
    );
    for (const [at, unit] of units.entries()) this.#units.set(unitKey(name, first + at), unit);
    return units;
  }

  /** The header of a pack; kept, for many pieces of one pack are read. */
  async packHeader(name: string, signal?: AbortSignal): Promise<Buffer> {
    return (await this.#sealer(name, signal)).header;
  }

  async #sealer(name: string, signal?: AbortSignal): Promise<Sealer> {
    const known = this.#sealers.get(name);
    if (known) return known;
    const header = await this.#store.read(name, { offset: 0, length: headerBytes }, signal);
    const sealer = openSealer(this.#keys, 'P', header);
    if (!sealer) throw repositoryErrors['object-damaged']({ name, reason: 'it has no header of a pack' });
    if (this.#sealers.size > 1024) this.#sealers.clear();
    this.#sealers.set(name, sealer);
    return sealer;
  }
}

function unitKey(name: string, unit: number): string {
  return `${name}:${unit}`;
}
