/** Locks of points: they can be added and extended, and nothing here takes one back. */
import type { RepositoryContext } from '../context.ts';
import { uuidBytes } from '../crypto/keys.ts';
import { isLoss, repositoryErrors } from '../errors.ts';
import { openDocument, sealDocument } from '../format/document.ts';
import { listAll } from '../object-store/object-store.ts';
import { type Point, pointName, readPoint } from '../point/point.ts';

function lockName(point: string, until: number): string {
  return `locks/${point}/${String(until).padStart(15, '0')}`;
}

/** Until when a point is locked: the longest of its own lock and those added. Null: it is not. */
export async function lockedUntil(
  context: RepositoryContext,
  point: Point,
  signal?: AbortSignal,
): Promise<Date | null> {
  let until = point.lockedUntil === null ? 0 : Date.parse(point.lockedUntil);
  for (const { name } of await listAll(context.store, `locks/${point.id}/`, signal)) {
    // Sealed, so that nobody without the key can lock for ever; a damaged one counts by its name, to be safe.
    const isForged = await context.store.read(name, undefined, signal).then(
      (bytes) => !opens(context, name, bytes) && context.keys.encrypted,
      (cause: unknown) => {
        if (!isLoss(cause)) throw cause;
        return false;
      },
    );
    if (!isForged) until = Math.max(until, Number(name.slice(-15)));
  }
  return until > 0 ? new Date(until) : null;
}

function opens(context: RepositoryContext, name: string, bytes: Buffer): boolean {
  try {
    openDocument(context.keys, name, bytes);
    return true;
  } catch (cause) {
    if (!isLoss(cause)) throw cause;
    return false;
  }
}

/** @throws repository.lock-shorter, repository.point-not-found */
export async function lockPoint(context: RepositoryContext, id: string, until: Date): Promise<void> {
  const point = await readPoint(context.store, context.keys, id);
  const current = await lockedUntil(context, point);
  if (current && until < current) {
    throw repositoryErrors['lock-shorter']({ asked: until.toISOString(), current: current.toISOString() });
  }
  const name = lockName(id, until.getTime());
  await context.store.put(
    name,
    sealDocument(context.keys, name, uuidBytes(id), { until: until.toISOString() }),
  );
}

/** The end of a lock that is not over: it is when both clocks say so, the host's and the store's. Null: there is none. */
export async function lockInForce(
  context: RepositoryContext,
  point: Point,
  signal?: AbortSignal,
): Promise<Date | null> {
  const until = await lockedUntil(context, point, signal);
  return until && Math.min(Date.now(), await context.store.now(signal)) < until.getTime() ? until : null;
}

/**
 * Deletes a point; its data goes at the next prune.
 *
 * @throws repository.locked, repository.append-only, repository.point-not-found
 */
export async function deletePoint(
  context: RepositoryContext,
  id: string,
  signal?: AbortSignal,
): Promise<void> {
  await context.refresh(signal);
  context.throwIfAppendOnly();
  const point = await readPoint(context.store, context.keys, id, signal);
  const until = await lockInForce(context, point, signal);
  if (until) throw repositoryErrors.locked({ point: id, until: until.toISOString() });
  await context.store.delete(pointName(id), signal);
  for (const prefix of [`locks/${id}/`, `verifications/${id}/`]) {
    for (const { name } of await listAll(context.store, prefix, signal))
      await context.store.delete(name, signal);
  }
}
