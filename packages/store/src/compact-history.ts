/** Keeps the history of a store bounded in time. */
import { delay } from '@corral/core/abort';
import type { Store } from './store.ts';

export interface CompactionOptions {
  /** A change is kept for at least this time, and for at most twice as long. */
  readonly keepMs: number;
  /** Called with what kept a compaction from being done; the next interval tries again. */
  readonly onError: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** Runs until the signal aborts, then rejects with its reason. */
export async function compactHistory(store: Store, options: CompactionOptions): Promise<never> {
  const { keepMs, signal } = options;
  let oldest: number | null = null;
  for (;;) {
    oldest = await compactBefore(store, oldest, options);
    await delay(keepMs, signal);
  }
}

/** Forgets what came before `oldest` and returns the present revision: what to forget before the next time. */
async function compactBefore(
  store: Store,
  oldest: number | null,
  { onError, signal }: CompactionOptions,
): Promise<number | null> {
  try {
    if (oldest !== null) await store.compact(oldest, { signal });
    return await store.revision({ signal });
  } catch (error) {
    signal.throwIfAborted();
    onError(error);
    return oldest;
  }
}
