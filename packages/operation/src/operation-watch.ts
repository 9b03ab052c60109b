/** What others do to operations, as it comes: cancels that are asked for, locks that become free. */
import { isCorralError } from '@corral/core/errors';
import type { Store, WatchBatch } from '@corral/store/store';
import { lockPrefix, parseKey, recordPrefix } from './operation-record.ts';

export interface OperationWatchOptions {
  readonly store: Store;
  readonly afterRevision: number;
  readonly onCancel: (id: string) => void;
  readonly onLockChange: () => void;
  /** After a gap: everything may have happened. */
  readonly onGap: () => void;
  readonly onTrouble: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** Both prefixes begin with it, so that one watch serves. */
const commonPrefix = 'operation';
const retryMs = 1_000;

/** Runs until the signal aborts. */
export async function watchOperations(options: OperationWatchOptions): Promise<void> {
  const { store, signal } = options;
  let { afterRevision } = options;
  while (!signal.aborted) {
    try {
      for await (const batch of store.watch(commonPrefix, { afterRevision, signal })) {
        afterRevision = batch.revision;
        handle(batch, options);
      }
    } catch (e) {
      if (signal.aborted) return;
      if (!isCorralError(e, 'store.compacted')) await trouble(e, options);
      afterRevision = await bridgeGap(afterRevision, options);
    }
  }
}

/** Tells it and waits a little, so that a store that is away is not asked without pause. */
async function trouble(e: unknown, { onTrouble, signal }: OperationWatchOptions): Promise<void> {
  onTrouble(e);
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, retryMs);
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}

function handle(batch: WatchBatch, { onCancel, onLockChange }: OperationWatchOptions): void {
  for (const event of batch.events) {
    if (event.type !== 'put' || !event.entry.key.startsWith(recordPrefix)) continue;
    const { id, part } = parseKey(event.entry.key);
    if (part === 'cancel') onCancel(id);
  }
  const keys = batch.events.map((event) => (event.type === 'put' ? event.entry.key : event.key));
  if (keys.some((key) => key.startsWith(lockPrefix))) onLockChange();
}

/** The revision is read first: what comes after it the next watch tells, what came before it `onGap` looks at. */
async function bridgeGap(afterRevision: number, options: OperationWatchOptions): Promise<number> {
  const { store, signal, onGap, onTrouble } = options;
  try {
    const revision = await store.revision({ signal });
    onGap();
    return revision;
  } catch (e) {
    if (signal.aborted) return afterRevision;
    onTrouble(e);
    return afterRevision;
  }
}
