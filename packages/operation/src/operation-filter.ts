/** Which operations a list shows, and in which pages. */
import type { OperationSnapshot } from './operation.ts';

export interface OperationFilter {
  readonly state?: OperationSnapshot['state'] | undefined;
  readonly target?: string | undefined;
  readonly kind?: string | undefined;
  /** Id of the last one of the page before. */
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** `operations` oldest first, as the store lists them; the page newest first. */
export function pageOf(
  operations: readonly OperationSnapshot[],
  filter: OperationFilter,
): { items: readonly OperationSnapshot[]; next: string | null } {
  const newest = operations.toReversed();
  const start = filter.after === undefined ? 0 : newest.findIndex(({ id }) => id === filter.after) + 1;
  const found = newest.slice(start).filter((operation) => matches(operation, filter));
  const items = found.slice(0, filter.limit);
  return { items, next: items.length < found.length ? (items.at(-1)?.id ?? null) : null };
}

function matches(operation: OperationSnapshot, filter: OperationFilter): boolean {
  if (filter.state !== undefined && operation.state !== filter.state) return false;
  if (filter.kind !== undefined && operation.kind !== filter.kind) return false;
  return filter.target === undefined || operation.targets.includes(filter.target);
}
