/**
 * A host that is struck again and again: what a try made is deleted before the next. A daemon and a data directory of
 * its own for each point would be most of the suite's time.
 */
import { withLimit } from '@corral/core/abort';
import { TestHost } from '../support/test-host.ts';
import { removeEverything } from './invariants.ts';

/** Below the limit of a test, after which nobody would take the host away. */
const usualLimitMs = 90_000;

export class CrashHost implements AsyncDisposable {
  readonly #start: () => Promise<TestHost>;
  #host: TestHost | null = null;

  constructor(start: () => Promise<TestHost> = () => TestHost.start()) {
    this.#start = start;
  }

  /** Runs `work` on an empty host. One on which it failed is not used again. */
  async use(work: (host: TestHost) => Promise<void>, limitMs = usualLimitMs): Promise<void> {
    this.#host ??= await this.#start();
    const host = this.#host;
    try {
      await withLimit('The try', limitMs, undefined, async () => {
        await work(host);
        await host.disarm();
        await removeEverything(host.client);
      });
    } catch (cause) {
      await this[Symbol.asyncDispose]().catch((failure: unknown) => {
        throw new AggregateError(
          [cause, failure],
          `${cause}; and its host could not be taken away: ${failure}`,
        );
      });
      throw cause;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const host = this.#host;
    this.#host = null;
    await host?.[Symbol.asyncDispose]();
  }
}
