/** Points: what a backup consists of (docs/formats/repository.md, "Point"). */
import type { RepositoryKeys } from '../crypto/keys.ts';
import { repositoryErrors } from '../errors.ts';
import { openDocument } from '../format/document.ts';
import { Fields } from '../format/fields.ts';
import { listAll, type ObjectStore } from '../object-store/object-store.ts';
import type { PinnedRoot } from '../session/session.ts';
import { blockCount, maxHeight, treeHeight } from '../tree/geometry.ts';
import type { Tree } from '../tree/tree-walk.ts';

export type Consistency = 'application' | 'filesystem' | 'crash';

export interface PointStream {
  readonly name: string;
  readonly sizeBytes: number;
  /** Id of the root of its tree, in hexadecimal. */
  readonly root: string;
}

export interface PointDisk extends PointStream {
  /** Bytes of the blocks that differ from the base; of those that hold data, without a base. */
  readonly changedBytes: number;
  /** Bytes that were read from the disk for this point. */
  readonly readBytes: number;
  /** Bytes that were read to audit the change tracking. */
  readonly auditBytes: number;
  /** Bytes that new data of this disk takes in the repository. */
  readonly storedBytes: number;
}

export interface Point {
  readonly id: string;
  readonly vm: { readonly id: string; readonly name: string };
  readonly name: string;
  readonly createdAt: string;
  readonly host: string;
  readonly consistency: Consistency;
  readonly base: string | null;
  readonly frozenMs: number;
  readonly lockedUntil: string | null;
  readonly notes: Readonly<Record<string, string>>;
  readonly disks: readonly PointDisk[];
  readonly documents: readonly PointStream[];
}

/** A session that was revoked, or that gave up, in the place of its point. */
export interface Tombstone {
  readonly revoked: true;
  readonly by: string;
  readonly at: string;
}

const rootPattern = /^[0-9a-f]{64}$/;
const streamsLimit = 4096;

export function pointName(id: string): string {
  return `points/${id}`;
}

export function treeOf(stream: Pick<PointStream, 'root' | 'sizeBytes'>): Tree {
  const blocks = blockCount(stream.sizeBytes);
  return { root: Buffer.from(stream.root, 'hex'), height: treeHeight(blocks), blocks };
}

export function streamsOf(point: Point): readonly PointStream[] {
  return [...point.disks, ...point.documents];
}

export function pinsOf(point: Point): PinnedRoot[] {
  return streamsOf(point).map((stream) => ({ root: stream.root, height: treeOf(stream).height }));
}

/** @throws repository.object-damaged */
export function parsePoint(name: string, value: Record<string, unknown>): Point | Tombstone {
  const fields = new Fields(name, value);
  if (value['revoked'] === true) return { revoked: true, by: fields.text('by'), at: fields.text('at') };
  const vm = fields.object('vm');
  const point = {
    id: fields.id('id'),
    vm: { id: vm.text('id'), name: vm.text('name') },
    name: fields.text('name'),
    createdAt: fields.text('createdAt', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    host: fields.text('host'),
    consistency: fields.text('consistency', /^(application|filesystem|crash)$/) as Consistency,
    base: fields.textOrNull('base'),
    frozenMs: fields.count('frozenMs'),
    lockedUntil: fields.textOrNull('lockedUntil', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    notes: fields.dictionary('notes'),
    disks: fields.list('disks', parseDisk, streamsLimit),
    documents: fields.list('documents', parseStream, streamsLimit),
  };
  if (pointName(point.id) !== name) {
    throw repositoryErrors['object-damaged']({ name, reason: 'it holds another point' });
  }
  return point;
}

function parseStream(fields: Fields): PointStream {
  const stream = {
    name: fields.text('name'),
    sizeBytes: fields.count('sizeBytes'),
    root: fields.text('root', rootPattern),
  };
  if (treeOf(stream).height > maxHeight) {
    throw repositoryErrors['object-damaged']({ name: stream.name, reason: 'its size is absurd' });
  }
  return stream;
}

function parseDisk(fields: Fields): PointDisk {
  return {
    ...parseStream(fields),
    changedBytes: fields.count('changedBytes'),
    readBytes: fields.count('readBytes'),
    auditBytes: fields.count('auditBytes'),
    storedBytes: fields.count('storedBytes'),
  };
}

/** A point, or the tombstone in its place. @throws repository.object-missing, repository.object-damaged */
export async function readPointObject(
  store: ObjectStore,
  keys: RepositoryKeys,
  name: string,
  signal?: AbortSignal,
): Promise<Point | Tombstone> {
  return parsePoint(name, openDocument(keys, name, await store.read(name, undefined, signal)));
}

/** @throws repository.point-not-found, repository.object-damaged */
export async function readPoint(
  store: ObjectStore,
  keys: RepositoryKeys,
  id: string,
  signal?: AbortSignal,
): Promise<Point> {
  const missing = (cause?: unknown): Error => repositoryErrors['point-not-found']({ point: id }, { cause });
  try {
    const point = await readPointObject(store, keys, pointName(id), signal);
    if ('revoked' in point) throw missing();
    return point;
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'repository.object-missing';
    throw isMissing ? missing(cause) : cause;
  }
}

export interface PointListing {
  readonly points: readonly Point[];
  /** Names of objects in `points/` that cannot be read, with the reason. */
  readonly damaged: ReadonlyMap<string, Error>;
  /** Ids of sessions that will never commit. */
  readonly tombstones: ReadonlySet<string>;
}

export async function listPoints(
  store: ObjectStore,
  keys: RepositoryKeys,
  signal?: AbortSignal,
): Promise<PointListing> {
  const points: Point[] = [];
  const damaged = new Map<string, Error>();
  const tombstones = new Set<string>();
  for (const { name } of await listAll(store, 'points/', signal)) {
    try {
      const point = await readPointObject(store, keys, name, signal);
      if ('revoked' in point) tombstones.add(name.slice('points/'.length));
      else points.push(point);
    } catch (cause) {
      if (!(cause instanceof Error) || !('code' in cause)) throw cause;
      // Deleted between the listing and the reading: it is no point any more.
      if (cause.code === 'repository.object-missing') continue;
      if (cause.code !== 'repository.object-damaged') throw cause;
      damaged.set(name, cause);
    }
  }
  points.sort((a, b) => (a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : 0));
  return { points, damaged, tombstones };
}
