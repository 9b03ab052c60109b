/**
 * Limits in time. Everything that can hang takes an `AbortSignal` and a limit (docs/architecture.md, invariant 8).
 * Node's timers run on the monotonic clock, so a step of the wall clock moves no limit.
 */
import { defineErrors, error } from './errors.ts';

export const abortErrors = defineErrors('core', {
  timeout: error<{ what: string; limitMs: number }>(
    504,
    'A time limit passed',
    (p) => `${p.what} did not finish within ${p.limitMs} ms.`,
  ),
  cancelled: error<{ what: string }>(409, 'Cancelled', (p) => `${p.what} was cancelled.`),
});

/**
 * Runs `work` with a signal that aborts when `signal` does or after `limitMs`.
 * It does not wait for work that ignores its signal: the promise rejects at the limit all the same.
 *
 * @throws core.timeout after `limitMs`; the reason of `signal` when that aborts first.
 */
export async function withLimit<T>(
  what: string,
  limitMs: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (reason: unknown): void => {
    controller.abort(reason);
    reject(reason);
  };
  const timer = setTimeout(() => abort(abortErrors.timeout({ what, limitMs })), limitMs);
  const onAbort = (): void => abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work(controller.signal), aborted]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Resolves after `ms`, or rejects with the signal's reason. For retry intervals of the product; tests wait on states. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
