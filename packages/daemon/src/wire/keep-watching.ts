/** Whatever looks at something now and then must not end with the first look that fails. */
import { delay } from '@corral/core/abort';
import type { Logger } from 'pino';

const againMs = 10_000;

/** A store that cannot be read for a moment ends no watch: it begins again, until `stop` aborts. */
export async function keepWatching(
  watch: () => Promise<void>,
  log: Pick<Logger, 'error'>,
  stop: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      return await watch();
    } catch (cause) {
      stop.throwIfAborted();
      log.error({ err: cause }, 'work in the background failed, and begins again');
    }
    await delay(againMs, stop);
  }
}
