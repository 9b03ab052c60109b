/** Deletes the backups that no retention rule keeps; their space is freed by the next prune. */
import type { RetentionRules } from '@corral/api/schemas/repository';
import type { Point } from '@corral/backup/point/point';
import type { Repository } from '@corral/backup/repository';
import { deletePoint } from '@corral/backup/retention/point-locks';
import { applyRetention } from '@corral/backup/retention/retention-rules';
import { isCorralError } from '@corral/core/errors';

export interface DeleteExpiredOptions {
  /** Only backups for which this says so: those of one VM, or of one plan. */
  readonly only?: ((point: Point) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The rules count for each VM by itself. What a lock protects stays. Repeatable.
 *
 * @throws repository.append-only
 */
export async function deleteExpired(
  repository: Repository,
  rules: RetentionRules,
  { only = () => true, signal }: DeleteExpiredOptions = {},
): Promise<{ deletedPoints: number; lockedPoints: number }> {
  const { points } = await repository.points(signal);
  const byVm = Map.groupBy(points.filter(only), ({ vm }) => vm.id);
  let deletedPoints = 0;
  let lockedPoints = 0;
  for (const ofVm of byVm.values()) {
    for (const { id } of applyRetention(ofVm, rules).remove) {
      try {
        await deletePoint(repository.context, id, signal);
        deletedPoints += 1;
      } catch (cause) {
        // Another host may have applied rules too.
        if (isCorralError(cause, 'repository.point-not-found')) continue;
        if (!isCorralError(cause, 'repository.locked')) throw cause;
        lockedPoints += 1;
      }
    }
  }
  return { deletedPoints, lockedPoints };
}
