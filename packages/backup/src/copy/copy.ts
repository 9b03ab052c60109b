/**
 * Copies points to a second repository. Ids are keyed, so blocks are read and stored anew; a point whose base was copied
 * before is copied as what changed since.
 */
import { isLoss, repositoryErrors } from '../errors.ts';
import { type Point, streamsOf } from '../point/point.ts';
import type { PointReader } from '../point/point-reader.ts';
import type { StreamReader } from '../point/stream-reader.ts';
import { copyVerifications } from '../point/verifications.ts';
import type { Repository } from '../repository.ts';
import { isMatch, originNote, originOf } from './copy-origin.ts';

export interface CopyOptions {
  /** Ids for the copies, by the ids of what is copied; never used before. Default: new ones. */
  readonly idFor?: ((source: string) => string) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onPoint?: ((source: Point, copy: Point) => void) | undefined;
}

export interface CopyResult {
  /** The source's points and their copies. */
  readonly copied: readonly { readonly source: string; readonly copy: string }[];
  /** Ids of points that were there already. */
  readonly skipped: readonly string[];
}

const pieceBytes = 2 ** 20;
const documentLimit = 64 * 2 ** 20;

/**
 * Copies points, oldest first. What is there is not copied again. A point that lost data keeps no sound one from being
 * copied: its loss is thrown when all others are there.
 */
export async function copyPoints(
  source: Repository,
  target: Repository,
  ids: readonly string[],
  options: CopyOptions = {},
): Promise<CopyResult> {
  const wanted = new Set(ids);
  const { points } = await source.points(options.signal);
  const missing = ids.find((id) => !points.some((point) => point.id === id));
  if (missing !== undefined) throw repositoryErrors['point-not-found']({ point: missing });
  const there = [...(await target.points(options.signal)).points];
  const copied: { source: string; copy: string }[] = [];
  const skipped: string[] = [];
  const losses: unknown[] = [];
  for (const point of points.filter(({ id }) => wanted.has(id))) {
    const known = there.find((copy) => isMatch(copy, source.id, point.id));
    if (known) {
      await copyFindings(source, point, target, known, options.signal);
      skipped.push(point.id);
      continue;
    }
    const copy = await copyPoint(source, target, point, there, options).catch((cause: unknown) => {
      if (!isLoss(cause)) throw cause;
      losses.push(cause);
    });
    if (!copy) continue;
    await copyFindings(source, point, target, copy, options.signal);
    there.push(copy);
    copied.push({ source: point.id, copy: copy.id });
    options.onPoint?.(point, copy);
  }
  if (losses.length > 0) throw losses[0];
  return { copied, skipped };
}

/** Those that were made since the point was copied too. */
async function copyFindings(
  source: Repository,
  point: Point,
  target: Repository,
  copy: Point,
  signal?: AbortSignal,
): Promise<void> {
  const from = { context: source.context, point: point.id };
  await copyVerifications(from, { context: target.context, point: copy.id }, signal);
}

async function copyPoint(
  source: Repository,
  target: Repository,
  point: Point,
  there: readonly Point[],
  { idFor, signal }: CopyOptions,
): Promise<Point> {
  const hold = await source.hold(point, signal);
  try {
    const reader = await source.openPoint(point.id, signal);
    const older = await findCopiedBase(source, point, there, signal);
    const disks = point.disks.map(({ name, sizeBytes }) => ({
      name,
      sizeBytes,
      useBase:
        older?.reader.point.disks.some((disk) => disk.name === name && disk.sizeBytes === sizeBytes) ?? false,
    }));
    await using writer = await target.beginPoint({
      id: idFor?.(point.id),
      vm: point.vm,
      disks,
      base: older?.copy.id,
      purpose: 'copy',
      signal,
    });
    for (const { name } of disks) {
      const before = writer.isIncremental(name) ? older?.reader.disk(name) : undefined;
      await copyStream(reader.disk(name), before, (offset, data) => writer.write(name, offset, data), signal);
    }
    for (const { name, sizeBytes } of point.documents) {
      if (sizeBytes > documentLimit)
        throw repositoryErrors['object-damaged']({ name, reason: 'it is too large' });
      await writer.putDocument(name, await reader.document(name, signal));
    }
    return await writer.seal({
      name: point.name,
      consistency: point.consistency,
      frozenMs: point.frozenMs,
      createdAt: new Date(point.createdAt),
      lockedUntil: point.lockedUntil === null ? undefined : new Date(point.lockedUntil),
      notes: { ...point.notes, [originNote]: originOf(source.id, point.id) },
    });
  } finally {
    await hold.end();
  }
}

/** The nearest ancestor that was copied and is still in both repositories. */
async function findCopiedBase(
  source: Repository,
  point: Point,
  there: readonly Point[],
  signal?: AbortSignal,
): Promise<{ copy: Point; reader: PointReader } | undefined> {
  const known = new Map((await source.points(signal)).points.map((candidate) => [candidate.id, candidate]));
  const seen = new Set<string>();
  for (let id = point.base; id !== null && !seen.has(id); id = known.get(id)?.base ?? null) {
    seen.add(id);
    const ancestor = id;
    const copy = there.find((candidate) => isMatch(candidate, source.id, ancestor));
    if (copy && known.has(ancestor) && streamsOf(copy).length > 0) {
      return { copy, reader: await source.openPoint(ancestor, signal) };
    }
  }
  return undefined;
}

/** Ranges that became zero are among the changes, as zeros: the writer finds them out by itself. */
async function copyStream(
  stream: StreamReader,
  older: StreamReader | undefined,
  write: (offset: number, data: Buffer) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const extents = older ? stream.changesSince(older, signal) : stream.extents(signal);
  for await (const extent of extents) {
    for (let done = 0; done < extent.length; done += pieceBytes) {
      const length = Math.min(pieceBytes, extent.length - done);
      const data = await stream.read(extent.offset + done, length, signal);
      await write(extent.offset + done, data);
    }
  }
}
