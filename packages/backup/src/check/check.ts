/**
 * Check: looks at every object as the store holds it now, trusts nothing that was read before, and names each backup that
 * is harmed. It changes nothing but its own session.
 */
import type { RepositoryContext } from '../context.ts';
import { keyedHash } from '../crypto/blake3.ts';
import { isLoss, repositoryErrors } from '../errors.ts';
import { parseConfig } from '../format/config.ts';
import { openDocument } from '../format/document.ts';
import { blobKind, storedLength } from '../format/length-word.ts';
import { openWholeSegment } from '../index/segment-format.ts';
import { listKeySlots } from '../key-management.ts';
import { listAll, type ObjectEntry, readInto } from '../object-store/object-store.ts';
import { idBytes } from '../pack/blob.ts';
import type { PackPlace } from '../pack/blob-reader.ts';
import { directoryEntryBytes, packAim, packLimit, packName } from '../pack/pack-format.ts';
import type { ProveReply } from '../pack/worker-protocol.ts';
import { listPoints, type PointListing } from '../point/point.ts';
import { inParallel } from '../restore/in-parallel.ts';
import type { CheckReport, HarmedBackup, Problem } from './check-report.ts';
import { HarmFinder } from './harmed-points.ts';

export interface CheckOptions {
  /** Reads and proves every byte; else only structure, names and sizes are looked at. */
  readonly readData?: boolean | undefined;
  readonly onProgress?: ((provedBytes: number, totalBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A report together with what repair needs to know. */
export interface CheckFindings {
  readonly report: CheckReport;
  /** Hashes of packs that are damaged as a whole or in part. */
  readonly damagedPacks: ReadonlySet<string>;
  /** Hashes of packs that the index names and the store does not hold. */
  readonly missingPacks: ReadonlySet<string>;
  /** Hashes of packs that no segment names. */
  readonly unlistedPacks: ReadonlySet<string>;
  /** Names of segments that cannot be read. */
  readonly damagedSegments: ReadonlySet<string>;
  /** Places of blobs that are proved bad: hash of the pack, a colon, the offset. */
  readonly badPlaces: ReadonlySet<string>;
}

export async function check(context: RepositoryContext, options: CheckOptions = {}): Promise<CheckReport> {
  return (await findProblems(context, options)).report;
}

/** For repair: with the details. */
export async function findProblems(
  context: RepositoryContext,
  options: CheckOptions,
): Promise<CheckFindings> {
  const fresh = await context.fresh(options.signal);
  try {
    return await new Check(fresh, options).run();
  } finally {
    await fresh.pool.close();
  }
}

class Check {
  readonly #context: RepositoryContext;
  readonly #readData: boolean;
  readonly #options: CheckOptions;
  readonly #problems: Problem[] = [];
  readonly #damagedPacks = new Set<string>();
  readonly #missingPacks = new Set<string>();
  readonly #damagedSegments = new Set<string>();
  /** Places of blobs that are proved bad: hash of the pack, a colon, the offset. */
  readonly #badPlaces = new Set<string>();
  /** Packs whose directory cannot be read. */
  readonly #opaquePacks = new Set<string>();
  #provedBytes = 0;
  /** Memory of packs that are proved, used again. */
  readonly #memory: SharedArrayBuffer[] = [];

  constructor(context: RepositoryContext, options: CheckOptions) {
    this.#context = context;
    this.#options = options;
    this.#readData = options.readData ?? false;
  }

  async run(): Promise<CheckFindings> {
    const { store, keys, index } = this.#context;
    const signal = this.#options.signal;
    const packs = new Map(
      (await listAll(store, 'packs/', signal)).map((entry) => [entry.name.slice(-64), entry]),
    );
    await this.#checkSmallObjects();
    await this.#checkSegments();
    const { blobs, unlisted } = await this.#checkPackSizes(packs);
    if (this.#readData) {
      await this.#provePacks(packs);
      if (this.#opaquePacks.size > 0) await this.#proveByIndex();
    }
    const listing = await listPoints(store, keys, signal);
    for (const [name, cause] of listing.damaged) this.#add(name, 'damaged', cause.message);
    const harmed = await this.#harmed(listing);
    for (const name of await store.listForeign(100, signal)) {
      this.#add(name, 'foreign', 'it is no object of a repository');
    }
    const report = {
      problems: this.#problems,
      harmed,
      unreadable: [...listing.damaged.keys()],
      points: listing.points.length,
      packs: packs.size,
      blobs,
      provedBytes: this.#provedBytes,
    };
    for (const [name, cause] of index.damaged) {
      this.#damagedSegments.add(name);
      if (!this.#problems.some(({ object }) => object === name))
        this.#add(name, kindOf(cause), cause.message);
    }
    const found = {
      damagedPacks: this.#damagedPacks,
      missingPacks: this.#missingPacks,
      badPlaces: this.#badPlaces,
    };
    return { report, ...found, unlistedPacks: unlisted, damagedSegments: this.#damagedSegments };
  }

  #add(object: string, kind: Problem['kind'], detail: string): void {
    this.#problems.push({ object, kind, detail });
  }

  async #checkSmallObjects(): Promise<void> {
    const { store, keys } = this.#context;
    const signal = this.#options.signal;
    await this.#try('config', async () => {
      const config = parseConfig(store.place, await store.read('config', undefined, signal));
      if (config.id !== this.#context.config.id) {
        throw repositoryErrors['object-damaged']({ name: 'config', reason: 'it is of another repository' });
      }
    });
    for (const [name, cause] of (await listKeySlots(store, signal)).damaged)
      this.#add(name, 'damaged', cause.message);
    for (const prefix of ['states/', 'sessions/', 'locks/', 'verifications/']) {
      for (const { name } of await listAll(store, prefix, signal)) {
        await this.#try(name, async () => {
          openDocument(keys, name, await store.read(name, undefined, signal));
        });
      }
    }
  }

  /** Notes what damage `work` meets. An object that went away since it was listed ended in good order. */
  async #try(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      if (!isLoss(cause)) throw cause;
      if (/^(sessions|states|locks|verifications)\//.test(name) && kindOf(cause) === 'missing') return;
      this.#add(name, kindOf(cause), cause instanceof Error ? cause.message : String(cause));
    }
  }

  async #checkSegments(): Promise<void> {
    const { store, keys } = this.#context;
    if (!this.#readData) return;
    const superseded = new Set(this.#context.state.superseded);
    for (const { name } of await listAll(store, 'index/', this.#options.signal)) {
      const hash = name.slice('index/'.length);
      if (superseded.has(hash)) continue;
      const before = this.#problems.length;
      await this.#try(name, async () => {
        const bytes = await store.read(name, undefined, this.#options.signal);
        if (keyedHash(keys.name, bytes).toString('hex') !== hash) {
          throw repositoryErrors['object-damaged']({ name, reason: 'its content does not fit its name' });
        }
        openWholeSegment(name, keys, bytes);
      });
      if (this.#problems.length > before) this.#damagedSegments.add(name);
    }
  }

  /** Compares the index with the packs that are there, by name and size. */
  async #checkPackSizes(
    packs: ReadonlyMap<string, ObjectEntry>,
  ): Promise<{ blobs: number; unlisted: Set<string> }> {
    const { index } = this.#context;
    const ends = new Float64Array(index.packs.count);
    let blobs = 0;
    await index.visitRecords((_record, place) => {
      ends[place.pack] = Math.max(ends[place.pack]!, place.offset + storedLength(place.word));
      blobs += 1;
    }, this.#options.signal);
    const unlisted = new Set(packs.keys());
    for (let pack = 0; pack < index.packs.count; pack += 1) {
      const hash = index.packs.hash(pack);
      unlisted.delete(hash);
      const entry = packs.get(hash);
      // Doomed packs are on their way out, and nothing rests on what a revoked session lists: gone is as good as there.
      if (!entry && index.packs.isDoomed(pack)) this.#missingPacks.add(hash);
      else if (!entry) this.#missPack(hash);
      else if (entry.sizeBytes <= ends[pack]! || entry.sizeBytes > packLimit) {
        this.#damagePack(hash, 'its size does not fit its contents');
      }
    }
    return { blobs, unlisted };
  }

  #missPack(hash: string): void {
    if (this.#missingPacks.has(hash)) return;
    this.#missingPacks.add(hash);
    this.#add(packName(hash), 'missing', 'the index names it, and it is not there');
  }

  #damagePack(hash: string, reason: string): void {
    if (this.#damagedPacks.has(hash)) return;
    this.#damagedPacks.add(hash);
    this.#add(packName(hash), 'damaged', reason);
  }

  async #provePacks(packs: ReadonlyMap<string, ObjectEntry>): Promise<void> {
    const total = [...packs.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    await inParallel([...packs.values()], this.#context.pool.size + 1, async ({ name, sizeBytes }) => {
      if (sizeBytes <= packLimit) await this.#provePack(name, sizeBytes);
      this.#provedBytes += sizeBytes;
      this.#options.onProgress?.(this.#provedBytes, total);
    });
  }

  async #provePack(name: string, sizeBytes: number): Promise<void> {
    const { store, pool } = this.#context;
    const hash = name.slice(-64);
    const spare = this.#memory.pop();
    const data =
      spare && spare.byteLength >= sizeBytes
        ? spare
        : new SharedArrayBuffer(Math.max(sizeBytes, packAim * 2));
    try {
      const length = await readInto(store, name, 0, Buffer.from(data, 0, sizeBytes), this.#options.signal);
      this.#judge(hash, await pool.run({ type: 'prove', hash, data, length }));
    } catch (cause) {
      // Pruned since the listing, or really missing: the sizes told.
      if (!isLoss(cause)) throw cause;
    } finally {
      this.#memory.push(data);
    }
  }

  #judge(hash: string, reply: ProveReply): void {
    const damaged = reply.damaged ? Buffer.from(reply.damaged) : null;
    if (reply.isNameRight && damaged?.length === 0) return;
    this.#damagePack(hash, damaged ? 'its content does not fit its name' : 'its directory cannot be read');
    if (!damaged) {
      this.#opaquePacks.add(hash);
      return;
    }
    for (let at = 0; at < damaged.length; at += directoryEntryBytes) {
      this.#badPlaces.add(`${hash}:${damaged.readUInt32LE(at + idBytes)}`);
    }
  }

  /** A pack whose directory is damaged may have sound blobs all the same: the index knows their places. */
  async #proveByIndex(): Promise<void> {
    const { index, reader } = this.#context;
    const wanted: { id: Buffer; place: PackPlace }[] = [];
    await index.visitRecords((_record, { pack, offset, word }, id) => {
      const hash = index.packs.hash(pack);
      if (this.#opaquePacks.has(hash))
        wanted.push({ id: Buffer.from(id), place: { pack: hash, offset, word } });
    }, this.#options.signal);
    for (const { id, place } of wanted) {
      await reader.readAt(id, blobKind(place.word), place, this.#options.signal).catch((cause: unknown) => {
        if (!isLoss(cause)) throw cause;
        this.#badPlaces.add(`${place.pack}:${place.offset}`);
      });
    }
  }

  async #harmed(listing: PointListing): Promise<HarmedBackup[]> {
    const { index } = this.#context;
    const finder = new HarmFinder(this.#context, (place) => {
      const hash = index.packs.hash(place.pack);
      if (this.#missingPacks.has(hash)) return false;
      // Without having read it, a pack of the wrong size counts as bad in all its places.
      return this.#readData ? !this.#badPlaces.has(`${hash}:${place.offset}`) : !this.#damagedPacks.has(hash);
    });
    const harmed: HarmedBackup[] = [];
    for (const point of listing.points) {
      const harm = await finder.harmOf(point, this.#options.signal);
      if (harm) harmed.push(harm);
    }
    return harmed;
  }
}

function kindOf(cause: unknown): 'missing' | 'damaged' {
  const isMissing =
    cause instanceof Error && 'code' in cause && cause.code === repositoryErrors['object-missing'].code;
  return isMissing ? 'missing' : 'damaged';
}
