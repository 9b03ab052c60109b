/** Thaws a guest, again and again until it says that it is. */
import { delay, withLimit } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import type { GuestAgent } from '@corral/qmp/guest-agent';

const tryLimitMs = 5_000;
const betweenTriesMs = 100;

/** @throws core.timeout; agent.not-connected at once, when the VM has no channel any more: nothing is frozen then */
export async function thawForCertain(agent: GuestAgent, limitMs: number): Promise<void> {
  await withLimit('Thawing the guest', limitMs, undefined, async (signal) => {
    for (;;) {
      try {
        await agent.thaw({ limitMs: tryLimitMs, signal });
        return;
      } catch (cause) {
        signal.throwIfAborted();
        if (!isCorralError(cause) || cause.code === 'agent.not-connected') throw cause;
        await delay(betweenTriesMs, signal);
      }
    }
  });
}
