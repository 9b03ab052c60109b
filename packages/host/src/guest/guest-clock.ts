/**
 * A guest whose memory was put away, or that stood still, goes on with the time at which it stopped. Its agent is asked to
 * set its clock to the host's as soon as it answers; a guest without an agent has to find the time by itself.
 */
import { delay, withLimit } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import type { VmHost } from '../vm/vm-host.ts';
import type { AgentChannels } from './agent-channels.ts';

/** Within this an agent that was there before answers again. */
const limitMs = 60_000;
const answerLimitMs = 3_000;
const askAgainMs = 1_000;
/** A call of the agent takes some milliseconds itself: below this nothing would be gained. */
const toleratedMs = 500;

const notAnswering = ['agent.not-connected', 'agent.not-responding', 'agent.connection-lost'];

interface ClockHost extends Pick<VmHost, 'log' | 'records'> {
  readonly agents: Pick<AgentChannels, 'of' | 'inBackground'>;
}

/** Returns at once: nobody waits for the guest's clock, and its failure is only logged. */
export function followHostClock(host: ClockHost, vm: { readonly id: string; readonly name: string }): void {
  host.agents.inBackground(async (closing) => {
    try {
      await withLimit(`Setting the clock of VM "${vm.name}"`, limitMs, closing, (signal) =>
        setClock(host, vm.id, signal),
      );
    } catch (cause) {
      if (!closing.aborted) host.log.warn({ err: cause, vm: vm.name }, "the guest's clock was not set");
    }
  });
}

async function setClock({ agents, records }: ClockHost, id: string, signal: AbortSignal): Promise<void> {
  const options = { signal, limitMs: answerLimitMs };
  for (;;) {
    const record = await records.find(id);
    if (!record?.process) return;
    const agent = agents.of(record.settings);
    try {
      const ahead = (await agent.time(options)) - Date.now();
      if (Math.abs(ahead) > toleratedMs) await agent.setTime(Date.now(), options);
      return;
    } catch (cause) {
      signal.throwIfAborted();
      if (!notAnswering.some((code) => isCorralError(cause, code))) throw cause;
    }
    await delay(askAgainMs, signal);
  }
}
