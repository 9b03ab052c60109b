/** Keeps the history of operations bounded. */
import { finalStates } from './operation.ts';
import type { OperationRecords } from './operation-records.ts';

/** Which ended operations are kept: the latest so many, as long as they are not too old. */
export interface Retention {
  readonly keep: number;
  readonly maxAgeMs: number;
}

export const defaultRetention: Retention = { keep: 1_000, maxAgeMs: 30 * 86_400_000 };

/** Deletes records of operations that have ended and that the retention does not keep. */
export async function pruneOperations(
  records: OperationRecords,
  { keep, maxAgeMs }: Retention,
  signal?: AbortSignal,
): Promise<void> {
  const oldest = new Date(Date.now() - maxAgeMs).toISOString();
  const { operations } = await records.list(signal);
  const newestFirst = operations
    .filter(({ record }) => finalStates.has(record.execution.state))
    .toSorted((a, b) => b.recordRevision - a.recordRevision);
  const doomed = newestFirst.filter(
    ({ record }, index) => index >= keep || (record.finishedAt ?? '') < oldest,
  );
  await records.delete(doomed, signal);
}
