/** Renews the store's own retention of what locked points need (docs/formats/repository.md, "Retention"). */
import type { RepositoryContext } from '../context.ts';
import { segmentName } from '../index/segment-format.ts';
import { packName } from '../pack/pack-format.ts';
import { listPoints, pinsOf, pointName } from '../point/point.ts';
import { markLive } from '../prune/liveness.ts';
import { lockedUntil } from './point-locks.ts';

/**
 * Makes the store keep, until `until` of the longest lock, every object that locked points consist of. Deduplication lets
 * a new point rest on old packs, whose own retention would end too early.
 *
 * @returns how many objects were renewed; 0 where the store cannot retain
 */
export async function extendLocks(context: RepositoryContext, signal?: AbortSignal): Promise<number> {
  const { store, keys } = context;
  if (!store.canRetain) return 0;
  const fresh = await context.fresh(signal);
  await fresh.pool.close();
  const needed = new Map<string, number>();
  const need = (name: string, until: number): void => {
    needed.set(name, Math.max(until, needed.get(name) ?? 0));
  };
  for (const point of (await listPoints(store, keys, signal)).points) {
    const until = (await lockedUntil(context, point, signal))?.getTime() ?? 0;
    if (until <= Date.now()) continue;
    need(pointName(point.id), until);
    const live = await markLive(fresh, pinsOf(point), signal);
    await fresh.index.visitRecords((record, place) => {
      if (live.has(record)) need(packName(fresh.index.packs.hash(place.pack)), until);
    }, signal);
  }
  const longest = Math.max(0, ...needed.values());
  if (longest > 0) {
    need('config', longest);
    for (const name of fresh.index.segmentNames) need(name, longest);
    for (const hash of fresh.state.segments) need(segmentName(hash), longest);
    for await (const { name } of store.list('keys/', signal)) need(name, longest);
  }
  for (const [name, until] of needed) await store.retain(name, new Date(until), signal);
  return needed.size;
}
