/** The backups that no retention rule keeps, and their deletion; their space is freed by the next prune. */
import type { RetentionRules } from '@corral/api/schemas/repository';
import type { Point } from '@corral/backup/point/point';
import type { Repository } from '@corral/backup/repository';
import { deletePoint, lockInForce } from '@corral/backup/retention/point-locks';
import { applyRetention } from '@corral/backup/retention/retention-rules';
import { isCorralError } from '@corral/core/errors';

export interface DeleteExpiredOptions {
  /** Only backups for which this says so: those of one VM, or of one plan. */
  readonly only?: ((point: Point) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Those that `deleteExpired` would look at. The rules count for each VM by itself. */
async function expired(
  repository: Repository,
  rules: RetentionRules,
  { only = () => true, signal }: DeleteExpiredOptions,
): Promise<Point[]> {
  const { points } = await repository.points(signal);
  const byVm = Map.groupBy(points.filter(only), ({ vm }) => vm.id);
  return [...byVm.values()].flatMap((ofVm) => [...applyRetention(ofVm, rules).remove]);
}

/** What `deleteExpired` would do now. */
export async function previewExpired(
  repository: Repository,
  rules: RetentionRules,
  options: DeleteExpiredOptions = {},
): Promise<{ deleted: Point[]; locked: Point[] }> {
  const deleted: Point[] = [];
  const locked: Point[] = [];
  for (const point of await expired(repository, rules, options)) {
    const lock = await lockInForce(repository.context, point, options.signal);
    (lock ? locked : deleted).push(point);
  }
  return { deleted, locked };
}

/**
 * What a lock protects stays. Repeatable.
 *
 * @throws repository.append-only
 */
export async function deleteExpired(
  repository: Repository,
  rules: RetentionRules,
  options: DeleteExpiredOptions = {},
): Promise<{ deletedPoints: number; lockedPoints: number }> {
  let deletedPoints = 0;
  let lockedPoints = 0;
  for (const { id } of await expired(repository, rules, options)) {
    try {
      await deletePoint(repository.context, id, options.signal);
      deletedPoints += 1;
    } catch (cause) {
      // Another host may have applied rules too.
      if (isCorralError(cause, 'repository.point-not-found')) continue;
      if (!isCorralError(cause, 'repository.locked')) throw cause;
      lockedPoints += 1;
    }
  }
  return { deletedPoints, lockedPoints };
}
