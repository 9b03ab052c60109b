/**
 * Who holds a resource and who waits for it: one document per resource key, changed only together with the record
 * of the operation. Pure; operation-records.ts reads and writes the documents.
 *
 * An operation takes its place at all its keys in one transaction. So the order of any two operations is the same at
 * every key that both want, and no cycle of waiting can arise.
 */
import type { Target } from './operation.ts';

export interface LockClaim {
  readonly operationId: string;
  readonly shared: boolean;
}

export interface LockDocument {
  /** One that is not shared, or any number that are. */
  readonly holders: readonly LockClaim[];
  /** In the order in which they came. */
  readonly queue: readonly LockClaim[];
}

export interface LockTarget {
  readonly key: string;
  readonly shared: boolean;
}

export const freeLock: LockDocument = { holders: [], queue: [] };

/** Each key once, in order; a key that is wanted both ways is wanted alone. */
export function lockTargets(targets: readonly Target[]): readonly LockTarget[] {
  const byKey = new Map<string, boolean>();
  for (const target of targets) {
    const key = typeof target === 'string' ? target : target.shared;
    const shared = typeof target !== 'string';
    byKey.set(key, shared && (byKey.get(key) ?? true));
  }
  return [...byKey].map(([key, shared]) => ({ key, shared })).toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

/** Whether the claim may hold now: nobody who came before it is in its way. */
export function mayHold(lock: LockDocument, claim: LockClaim): boolean {
  return blocker(lock, claim) === null;
}

/** Who is in its way: a holder, or one that waits before it. */
export function blocker(lock: LockDocument, claim: LockClaim): LockClaim | null {
  const place = lock.queue.findIndex((waiting) => waiting.operationId === claim.operationId);
  const before = [...lock.holders, ...(place < 0 ? lock.queue : lock.queue.slice(0, place))];
  const others = before.filter((other) => other.operationId !== claim.operationId);
  return others.find((other) => !claim.shared || !other.shared) ?? null;
}

export function hold(lock: LockDocument, claim: LockClaim): LockDocument {
  const { holders, queue } = release(lock, claim.operationId);
  return { holders: [...holders, claim], queue };
}

export function enqueue(lock: LockDocument, claim: LockClaim): LockDocument {
  const { holders, queue } = release(lock, claim.operationId);
  return { holders, queue: [...queue, claim] };
}

/** Without the operation, be it holding or waiting. */
export function release(lock: LockDocument, operationId: string): LockDocument {
  const others = (claims: readonly LockClaim[]) =>
    claims.filter((claim) => claim.operationId !== operationId);
  return { holders: others(lock.holders), queue: others(lock.queue) };
}

export function isFree(lock: LockDocument): boolean {
  return lock.holders.length === 0 && lock.queue.length === 0;
}
