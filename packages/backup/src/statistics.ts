/** How much is stored, and how much that saves. */
import type { RepositoryContext } from './context.ts';
import { blockBytes } from './format/config.ts';
import { storedLength } from './format/length-word.ts';
import { listPoints, pinsOf, streamsOf } from './point/point.ts';
import { markLive } from './prune/liveness.ts';

export interface RepositoryStatistics {
  readonly points: number;
  readonly virtualMachines: number;
  /** All objects as they lie in the store. */
  readonly storedBytes: number;
  /** The sizes of all disks and documents of all points, zeros included. */
  readonly logicalBytes: number;
  /** What points that were stored each by itself, in full, would take more. */
  readonly savedBytes: number;
  readonly packs: number;
  readonly blobs: number;
  /** Bytes in packs that no point needs: what a prune can free. */
  readonly unneededBytes: number;
  readonly blockBytes: number;
}

export async function statisticsOf(
  context: RepositoryContext,
  signal?: AbortSignal,
): Promise<RepositoryStatistics> {
  const fresh = await context.fresh(signal);
  await fresh.pool.close();
  const { points } = await listPoints(context.store, context.keys, signal);
  let storedBytes = 0;
  const packSizes = new Map<string, number>();
  for await (const { name, sizeBytes } of context.store.list('', signal)) {
    storedBytes += sizeBytes;
    if (name.startsWith('packs/')) packSizes.set(name.slice(-64), sizeBytes);
  }
  const live = await markLive(fresh, points.flatMap(pinsOf), signal);
  let blobs = 0;
  let liveBytes = 0;
  await fresh.index.visitRecords((record, place) => {
    blobs += 1;
    if (live.has(record)) liveBytes += storedLength(place.word);
  }, signal);
  const packBytes = [...packSizes.values()].reduce((sum, size) => sum + size, 0);
  const logicalBytes = points.flatMap(streamsOf).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return {
    points: points.length,
    virtualMachines: new Set(points.map(({ vm }) => vm.id)).size,
    storedBytes,
    logicalBytes,
    savedBytes: Math.max(0, logicalBytes - storedBytes),
    packs: packSizes.size,
    blobs,
    unneededBytes: Math.max(0, packBytes - liveBytes),
    blockBytes,
  };
}
