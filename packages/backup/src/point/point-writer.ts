/** Writes a point, in the order of docs/formats/repository.md, "A backup". */
import { hostname } from 'node:os';
import type { RepositoryContext } from '../context.ts';
import { isLoss, repositoryErrors } from '../errors.ts';
import { sealDocument } from '../format/document.ts';
import { LimitedStore } from '../object-store/limited-store.ts';
import { type BlobLocator, BlobReader } from '../pack/blob-reader.ts';
import { BlobWriter } from '../pack/blob-writer.ts';
import type { Session, SessionPurpose } from '../session/session.ts';
import { blockCount, treeHeight } from '../tree/geometry.ts';
import type { NodeSource } from '../tree/node-source.ts';
import { TreeWriter } from '../tree/tree-writer.ts';
import { treeOnBase } from './adapt-base.ts';
import {
  type Consistency,
  type Point,
  type PointDisk,
  type PointStream,
  pinsOf,
  pointName,
  readPoint,
} from './point.ts';
import { StreamWriter } from './stream-writer.ts';

export interface NewPoint {
  /** Of the new point, never used before; default: a new one. */
  readonly id?: string | undefined;
  readonly vm: { readonly id: string; readonly name: string };
  readonly disks: readonly NewDisk[];
  /** Id of the point to build on: disks of the same name need only be given what changed since. */
  readonly base?: string | undefined;
  readonly purpose?: SessionPurpose | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface NewDisk {
  readonly name: string;
  readonly sizeBytes: number;
  /** False: this disk is read in full, whatever the base holds. */
  readonly useBase?: boolean | undefined;
}

export interface PointDetails {
  readonly name: string;
  readonly consistency: Consistency;
  readonly frozenMs?: number | undefined;
  readonly createdAt?: Date | undefined;
  readonly lockedUntil?: Date | undefined;
  readonly notes?: Readonly<Record<string, string>> | undefined;
  /** By name of the disk. */
  readonly auditBytes?: Readonly<Record<string, number>> | undefined;
}

interface OpenDisk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly isIncremental: boolean;
  readonly stream: number;
  readonly writer: StreamWriter;
}

const dayMs = 86_400e3;
/** How much longer than the lock a store that can retain objects keeps them, so that renewing them daily is enough. */
const retainMarginDays = 10;

export class PointWriter implements AsyncDisposable {
  readonly #context: RepositoryContext;
  readonly #session: Session;
  readonly #blobs: BlobWriter;
  readonly #reader: BlobReader;
  readonly #nodes: NodeSource;
  readonly #vm: NewPoint['vm'];
  /** The point this one builds on, if it was there. */
  readonly base: Point | null;
  readonly #disks = new Map<string, OpenDisk>();
  readonly #documents: PointStream[] = [];
  #streams = 0;
  #isOpen = true;

  private constructor(
    context: RepositoryContext,
    session: Session,
    { vm, signal }: NewPoint,
    base: Point | null,
  ) {
    this.#context = context;
    this.#session = session;
    this.#vm = vm;
    this.base = base;
    const { keys, index, pool } = context;
    // What is under way ends with the signal. The commit does not: its outcome must be known.
    const store = new LimitedStore(context.store, { signal });
    this.#blobs = new BlobWriter({ store, keys, index, pool, session, retainUntil: retainUntil(context) });
    this.#reader = new BlobReader(store, keys, this.#locator());
    this.#nodes = {
      readNode: async (id, signal) => this.#blobs.openNode(id) ?? (await this.#reader.readNode(id, signal)),
    };
  }

  /** @throws repository.base-mismatch, repository.store */
  static async begin(context: RepositoryContext, what: NewPoint): Promise<PointWriter> {
    const { store, keys } = context;
    const signal = what.signal;
    const base = what.base === undefined ? null : await findBase(context, what.base, signal);
    const pins = base ? pinsOf(base) : [];
    const session = await context.beginSession(what.purpose ?? 'backup', pins, signal, what.id);
    try {
      await context.index.loadFilters(signal);
      const isBaseThere = base !== null && (await isPointThere(store, keys, base.id, signal));
      const writer = new PointWriter(context, session, what, isBaseThere ? base : null);
      for (const disk of what.disks) await writer.#openDisk(disk);
      return writer;
    } catch (cause) {
      await session.end();
      throw cause;
    }
  }

  get id(): string {
    return this.#session.id;
  }

  /** Whether a disk need only be given what changed since the base. */
  isIncremental(disk: string): boolean {
    return this.#disk(disk).isIncremental;
  }

  /** Puts data of a disk. Pieces that are no whole blocks are completed from what the block held. */
  async write(disk: string, offset: number, data: Buffer): Promise<void> {
    await this.#explained(this.#disk(disk).writer.write(offset, data));
  }

  /** Says that a range of a disk is zero. */
  async zero(disk: string, offset: number, length: number): Promise<void> {
    await this.#explained(this.#disk(disk).writer.zero(offset, length));
  }

  /** Stores a document beside the disks: settings, firmware variables. */
  async putDocument(name: string, content: Buffer): Promise<void> {
    this.#throwIfClosed();
    const stream = this.#newStream(name, content.length, this.#newTree(content.length));
    await stream.writer.write(0, content);
    const root = (await stream.writer.finish()).toString('hex');
    this.#documents.push({ name, sizeBytes: content.length, root });
  }

  /**
   * Makes the point: from here on it is there or not, never in part.
   *
   * @throws repository.revoked if another host gave this backup up
   */
  async seal(details: PointDetails, signal?: AbortSignal): Promise<Point> {
    this.#throwIfClosed();
    return await this.#explained(this.#seal(details, signal));
  }

  async #seal(details: PointDetails, signal?: AbortSignal): Promise<Point> {
    const roots = new Map<string, string>();
    for (const disk of this.#disks.values())
      roots.set(disk.name, (await disk.writer.finish()).toString('hex'));
    await this.#blobs.flush();
    signal?.throwIfAborted();
    this.#isOpen = false;
    const point = this.#point(details, roots);
    await this.#commit(point);
    await this.#session.end();
    return point;
  }

  /** A session that was given up no longer holds its base: that is the reason to tell, not what is missing by now. */
  async #explained<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      if (!isLoss(cause)) throw cause;
      const tombstone = await this.#context.store.read(pointName(this.id)).catch((failure: unknown) => {
        if (!isLoss(failure)) throw failure;
        return undefined;
      });
      throw tombstone ? repositoryErrors.revoked({ session: this.id }, { cause }) : cause;
    }
  }

  #point(details: PointDetails, roots: ReadonlyMap<string, string>): Point {
    const createdAt = details.createdAt ?? new Date();
    const disks = [...this.#disks.values()].map((disk): PointDisk => {
      const { readBytes, changedBytes } = disk.writer;
      const storedBytes = this.#blobs.storedFor(disk.stream);
      const auditBytes = details.auditBytes?.[disk.name] ?? 0;
      const figures = { changedBytes, readBytes, auditBytes, storedBytes };
      return { name: disk.name, sizeBytes: disk.sizeBytes, root: roots.get(disk.name)!, ...figures };
    });
    return {
      id: this.id,
      vm: this.#vm,
      name: details.name,
      createdAt: createdAt.toISOString(),
      host: hostname(),
      consistency: details.consistency,
      base: this.base?.id ?? null,
      frozenMs: Math.round(details.frozenMs ?? 0),
      lockedUntil: lockEnd(this.#context.state.policy.lockDays, details.lockedUntil),
      notes: details.notes ?? {},
      disks,
      documents: this.#documents,
    };
  }

  async #commit(point: Point): Promise<void> {
    const { store, keys } = this.#context;
    const name = pointName(this.id);
    const bytes = sealDocument(keys, name, this.#session.idBytes, point);
    const outcome = await store.put(name, bytes, { retainUntil: retainUntil(this.#context) });
    if (outcome === 'stored') return;
    // Either a tombstone, or our own put that arrived although its answer was lost.
    const there = await store.read(name);
    if (!there.equals(bytes)) throw repositoryErrors.revoked({ session: this.id });
  }

  /** Gives the point up; what was stored is left for the next backup or for prune. */
  async abandon(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#blobs.discard();
    await this.#session.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abandon();
  }

  #locator(): BlobLocator {
    return {
      locate: async (id, signal) => {
        const own = this.#blobs.place(id);
        return own ? [own] : await this.#context.locate(id, signal);
      },
      refresh: (signal) => this.#context.refresh(signal),
    };
  }

  async #openDisk(disk: NewDisk): Promise<void> {
    if (this.#disks.has(disk.name)) {
      throw repositoryErrors.range({ name: disk.name, reason: 'it is named twice' });
    }
    const known =
      disk.useBase === false ? undefined : this.base?.disks.find(({ name }) => name === disk.name);
    const parts = { nodes: this.#nodes, reader: this.#reader, writer: this.#blobs, stream: this.#streams };
    const tree = known ? await treeOnBase(parts, known, disk.sizeBytes) : this.#newTree(disk.sizeBytes);
    const { stream, writer } = this.#newStream(disk.name, disk.sizeBytes, tree);
    const { name, sizeBytes } = disk;
    this.#disks.set(name, { name, sizeBytes, isIncremental: known !== undefined, stream, writer });
  }

  #newTree(sizeBytes: number): TreeWriter {
    return new TreeWriter(
      this.#nodes,
      this.#blobs.nodeSink(this.#streams),
      treeHeight(blockCount(sizeBytes)),
    );
  }

  #newStream(name: string, sizeBytes: number, tree: TreeWriter): { stream: number; writer: StreamWriter } {
    const stream = this.#streams;
    this.#streams += 1;
    const parts = { name, sizeBytes, stream, tree, writer: this.#blobs, reader: this.#reader };
    return { stream, writer: new StreamWriter(parts) };
  }

  #disk(name: string): OpenDisk {
    this.#throwIfClosed();
    const disk = this.#disks.get(name);
    if (!disk) throw repositoryErrors['stream-not-found']({ point: this.id, name });
    return disk;
  }

  #throwIfClosed(): void {
    if (!this.#isOpen) throw repositoryErrors['closed-writer']({ point: this.id });
  }
}

/** The base, or null where building on it is not possible: then the disks are read in full. */
async function findBase(context: RepositoryContext, id: string, signal?: AbortSignal): Promise<Point | null> {
  // A point that lost data must not hand its loss on.
  if (context.state.harmed.some(({ point }) => point === id)) return null;
  return await readPoint(context.store, context.keys, id, signal).catch((cause: unknown) => {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'repository.point-not-found' || code === 'repository.object-damaged') return null;
    throw cause;
  });
}

async function isPointThere(
  store: RepositoryContext['store'],
  keys: RepositoryContext['keys'],
  id: string,
  signal?: AbortSignal,
): Promise<boolean> {
  return await readPoint(store, keys, id, signal).then(
    () => true,
    (cause: unknown) => {
      if (cause instanceof Error && 'code' in cause && cause.code === 'repository.point-not-found')
        return false;
      throw cause;
    },
  );
}

function lockEnd(lockDays: number, wanted: Date | undefined): string | null {
  const byPolicy = lockDays > 0 ? Date.now() + lockDays * dayMs : 0;
  const until = Math.max(byPolicy, wanted?.getTime() ?? 0);
  return until > 0 ? new Date(until).toISOString() : null;
}

export function retainUntil(context: RepositoryContext): Date | undefined {
  const { lockDays } = context.state.policy;
  if (lockDays === 0 || !context.store.canRetain) return undefined;
  return new Date(Date.now() + (lockDays + retainMarginDays) * dayMs);
}
