/**
 * A guest's file systems at rest, for as short as possible: whoever freezes thaws, whatever happens in between
 * (docs/design/0008-checkpoints.md, "Production").
 */
import type { Consistency } from '@corral/api/schemas/checkpoint';
import { delay } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import type { GuestAgent } from '@corral/qmp/guest-agent';
import { checkpointErrors } from '../errors.ts';
import type { VmHost } from '../vm/vm-host.ts';
import type { VmRecord } from '../vm/vm-record.ts';
import { subject } from '../vm/vm-supervisor.ts';

const thawLimitMs = 10_000;
const thawTries = 3;
const thawAgainMs = 500;
/** An agent that is there answers at once. */
const askLimitMs = 3_000;

export interface FreezeOptions {
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/**
 * Does `work` between freeze and thaw. The work has its own limit; the guest thaws when it ends, in whatever way.
 *
 * @throws checkpoint.no-guest before `work` when the guest cannot be frozen; it is thawed then too
 */
export async function whileFrozen<T>(
  host: VmHost,
  record: VmRecord,
  options: FreezeOptions,
  work: () => Promise<T>,
): Promise<T> {
  const agent = host.agents.of(record.settings);
  using _hold = agent.hold();
  try {
    await freeze(agent, record, options);
    return await work();
  } finally {
    await thaw(host, record, agent);
  }
}

async function freeze(
  agent: GuestAgent,
  record: VmRecord,
  { limitMs, signal }: FreezeOptions,
): Promise<void> {
  const { name } = record.settings;
  let frozen: number;
  try {
    await agent.ping({ limitMs: askLimitMs, signal });
    frozen = await agent.freeze({ limitMs, signal });
  } catch (cause) {
    if (!isCorralError(cause) || !cause.code.startsWith('agent.')) throw cause;
    throw checkpointErrors['no-guest']({ vm: name, reason: cause.message }, { cause });
  }
  if (frozen > 0) return;
  throw checkpointErrors['no-guest']({ vm: name, reason: 'its agent found no file system to freeze' });
}

/** Sent whether or not the freeze was answered: a guest that froze too late must not stay frozen. */
async function thaw(host: VmHost, record: VmRecord, agent: GuestAgent): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await agent.thaw({ limitMs: thawLimitMs });
      return;
    } catch (cause) {
      // Nobody is there who could have been frozen.
      if (['agent.not-connected', 'agent.closed'].some((code) => isCorralError(cause, code))) return;
      if (attempt === thawTries) return tellThawFailed(host, record, cause);
    }
    await delay(thawAgainMs);
  }
}

async function tellThawFailed(host: VmHost, record: VmRecord, cause: unknown): Promise<void> {
  const reason = (cause as Error).message;
  // An agent that never answered took no freeze either; that is told by the freeze's own error.
  if (isCorralError(cause, 'agent.not-responding')) {
    host.log.warn({ err: cause, vm: record.settings.name }, 'the agent does not answer the thaw');
    return;
  }
  await host.emit('checkpoint.thaw-failed', subject(record), { reason });
  throw checkpointErrors['thaw-failed']({ vm: record.settings.name, reason }, { cause });
}

/** After a crash of the daemon: a guest that it had frozen is thawed first of all. Repeatable. */
export async function thawIfFrozen(host: VmHost, vmId: string): Promise<void> {
  const record = await host.records.find(vmId);
  if (!record?.process) return;
  const agent = host.agents.of(record.settings);
  try {
    if ((await agent.freezeStatus({ limitMs: askLimitMs })) === 'thawed') return;
  } catch (cause) {
    if (!isCorralError(cause) || !cause.code.startsWith('agent.')) throw cause;
    host.log.warn({ err: cause, vm: record.settings.name }, 'the agent does not say whether it is frozen');
  }
  await thaw(host, record, agent);
}

/** The agent of Windows freezes through VSS, which has applications write what they hold. */
export function frozenConsistency({ profile }: VmRecord['settings']): Consistency {
  return profile === 'windows' ? 'application' : 'filesystem';
}
