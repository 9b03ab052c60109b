/**
 * Runs a fork between freeze and thaw, and finds out how consistent it is (docs/howto/freeze-hooks.md).
 *
 *   proof asked for ─▶ freeze ─▶ fork ─▶ thaw ─▶ proof read
 */

import { isCorralError } from '@corral/core/errors';
import { newId } from '@corral/core/ids';
import type { AgentOsInfo } from '@corral/qmp/agent-shapes';
import type { GuestAgent } from '@corral/qmp/guest-agent';
import type { VmRecord, VmRecords } from '../vm/vm-record.ts';
import type { VmSupervisor } from '../vm/vm-supervisor.ts';
import { guardErrors } from './errors.ts';
import { FreezeGuard, type GuardHost } from './freeze-guard.ts';

export type Consistency = 'application' | 'filesystem' | 'crash';

export interface FreezeOutcome {
  readonly consistency: Consistency;
  /** Why it is no better; null for `application`. */
  readonly reason: string | null;
  /** 0 if the guest was not frozen. */
  readonly frozenMs: number;
}

export interface FreezeOptions {
  /** Milliseconds after which the guest is thawed, whatever has happened; 10 s unless told. */
  readonly limitMs?: number | undefined;
  /** At least this, or an error. `crash`: the guest is not frozen at all. Unless told, as much as can be had. */
  readonly consistency?: Consistency | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface FreezeHost extends GuardHost {
  readonly records: VmRecords;
  readonly supervisor: VmSupervisor;
}

const noAgent = 'the guest agent does not answer';
const defaultLimitMs = 10_000;
const asideLimitMs = 5_000;
/** Key-value pairs of the guest, see docs/howto/key-values.md. */
const askedFile = '/var/lib/corral/kv/host/freeze-id';
const proofFile = '/var/lib/corral/kv/guest/frozen-id';

/**
 * @param fork runs exactly once, also where nothing could be frozen and `consistency` allows it. It must be quick.
 * @throws guard.not-frozen before the fork; guard.no-hook after it, when `application` was asked for
 */
export async function withFrozenGuest<T>(
  host: FreezeHost,
  vmId: string,
  options: FreezeOptions,
  fork: () => Promise<T>,
): Promise<{ readonly value: T; readonly freeze: FreezeOutcome }> {
  const record = await host.records.get(vmId);
  const reason = whyNotAsked(host, record, options);
  if (reason !== null) return { value: await fork(), freeze: { consistency: 'crash', reason, frozenMs: 0 } };
  const vm = record.settings;
  const id = newId();
  const asked = await askForProof(host.agents.of(vm), id);
  if (asked.kind === 'no-agent') {
    if (needs(options, 'filesystem')) throw guardErrors['not-frozen']({ vm: vm.name, reason: asked.reason });
    return { value: await fork(), freeze: { consistency: 'crash', reason: asked.reason, frozenMs: 0 } };
  }
  const guard = await FreezeGuard.freeze(host, vm, options.limitMs ?? defaultLimitMs, options.signal).catch(
    (cause: unknown) => {
      if (needs(options, 'filesystem') || !isCorralError(cause, 'guard.not-frozen')) throw cause;
      return String(cause.params['reason']);
    },
  );
  if (typeof guard === 'string') {
    return { value: await fork(), freeze: { consistency: 'crash', reason: guard, frozenMs: 0 } };
  }
  await using _thawed = guard;
  const value = await fork();
  const thawed = await guard.thaw();
  const reached: FreezeOutcome = {
    ...(thawed.inTime
      ? await reachedBy(asked, host.agents.of(vm), id)
      : { consistency: 'crash', reason: 'the guest was thawed before the disks were forked' }),
    frozenMs: Math.round(thawed.frozenMs),
  };
  requireReached(vm.name, options, reached);
  return { value, freeze: reached };
}

/**
 * Refuses, before anything begins, a consistency that this guest cannot be brought to. Whether a hook says that it ran
 * is known only afterwards.
 *
 * @throws guard.not-frozen
 */
export async function requireFreezable(
  host: FreezeHost,
  record: VmRecord,
  consistency: Consistency | undefined,
): Promise<void> {
  if (consistency !== 'filesystem' && consistency !== 'application') return;
  if (whyNotAsked(host, record, { consistency }) !== null) return;
  const { name } = record.settings;
  try {
    await host.agents.of(record.settings).ping({ limitMs: asideLimitMs });
  } catch (cause) {
    if (!isCorralError(cause)) throw cause;
    // Somebody else freezes it just now: then it has an agent, and this one's turn comes.
    if (cause.code === 'guard.frozen') return;
    throw guardErrors['not-frozen']({ vm: name, reason: noAgent }, { cause });
  }
}

function requireReached(vm: string, options: FreezeOptions, { consistency, reason }: FreezeOutcome): void {
  if (consistency === 'crash' && needs(options, 'filesystem')) {
    throw guardErrors['not-frozen']({ vm, reason: reason ?? 'it was thawed too early' });
  }
  if (consistency !== 'application' && options.consistency === 'application') {
    throw guardErrors['no-hook']({ vm });
  }
}

function needs({ consistency }: FreezeOptions, least: 'filesystem'): boolean {
  return consistency === least || consistency === 'application';
}

/** Why the guest need not be asked; null if it must be. @throws guard.not-frozen */
function whyNotAsked(host: FreezeHost, record: VmRecord, options: FreezeOptions): string | null {
  if (options.consistency === 'crash') return 'no more was asked for';
  const { state } = host.supervisor.status(record);
  if (state === 'running') return null;
  const reason = state === 'off' ? 'the VM was off' : `the VM was ${state}`;
  // What is off writes nothing: its disks are as its guest left them.
  if (needs(options, 'filesystem') && state !== 'off') {
    throw guardErrors['not-frozen']({ vm: record.settings.name, reason });
  }
  return reason;
}

/** What became of asking the guest's hook to say that it ran. */
type Asked =
  | { readonly kind: 'hook' | 'windows' }
  | { readonly kind: 'impossible'; readonly reason: string }
  | { readonly kind: 'no-agent'; readonly reason: string };

async function askForProof(agent: GuestAgent, id: string): Promise<Asked> {
  const options = { limitMs: asideLimitMs };
  try {
    await agent.ping(options);
  } catch (cause) {
    if (!isCorralError(cause)) throw cause;
    return { kind: 'no-agent', reason: noAgent };
  }
  try {
    const os = await known(agent.osInfo(options));
    if (isWindows(os)) return { kind: 'windows' };
    const written = await known(
      agent
        .exec({ path: 'mkdir', args: ['-p', dirOf(askedFile), dirOf(proofFile)] }, options)
        .then(() => agent.writeFile(askedFile, Buffer.from(id), options))
        .then(() => true),
    );
    return written ? { kind: 'hook' } : { kind: 'impossible', reason: 'the agent may not write files' };
  } catch (cause) {
    if (!isCorralError(cause)) throw cause;
    return { kind: 'impossible', reason: cause.message };
  }
}

async function reachedBy(
  asked: Exclude<Asked, { kind: 'no-agent' }>,
  agent: GuestAgent,
  id: string,
): Promise<Omit<FreezeOutcome, 'frozenMs'>> {
  // The agent of Windows freezes through VSS, and every writer of the system takes part.
  if (asked.kind === 'windows') return { consistency: 'application', reason: null };
  if (asked.kind === 'impossible') return { consistency: 'filesystem', reason: asked.reason };
  const missing = 'no hook in the guest said that it ran';
  try {
    const proof = await agent.readFile(proofFile, { maxBytes: 256, limitMs: asideLimitMs });
    if (proof.toString('utf8').trim() === id) return { consistency: 'application', reason: null };
  } catch (cause) {
    if (!isCorralError(cause)) throw cause;
  }
  return { consistency: 'filesystem', reason: missing };
}

function isWindows(os: AgentOsInfo | undefined): boolean {
  return os?.id === 'mswindows';
}

/** What an older agent, or one that forbids it, cannot do is no failure. */
async function known<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (cause) {
    const codes = ['agent.command-missing', 'agent.command-disabled', 'agent.command-failed'];
    if (codes.some((code) => isCorralError(cause, code))) return undefined;
    throw cause;
  }
}

function dirOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
