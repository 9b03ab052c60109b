/** The instant of a checkpoint: the disks are forked while the guest is stopped, at rest, or not there. */
import type { CheckpointType, Consistency } from '@corral/api/schemas/checkpoint';
import { withLimit } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import type { Progress } from '@corral/operation/operation';
import type { QmpClient } from '@corral/qmp/qmp-client';
import { commitSwitch, openOverlays, planSwitch, switchToOverlays } from '../chain/fork.ts';
import { checkpointErrors } from '../errors.ts';
import { withFrozenGuest } from '../guard/frozen-guest.ts';
import { checkMemoryFile } from '../vm/memory-stream.ts';
import { monitorOf, type VmHost } from '../vm/vm-host.ts';
import type { SavedMemory, VmRecord } from '../vm/vm-record.ts';
import type { Capture, CapturePlan } from './capture.ts';
import { checkpointPaths, linkMemory } from './checkpoint-files.ts';
import { hasMachineState, keepMachineState } from './machine-state.ts';
import { snapshotMemory } from './memory-snapshot.ts';

/** What was reached. */
export interface Captured {
  readonly type: CheckpointType;
  readonly consistency: Consistency;
  readonly reason: string | null;
  readonly memory: SavedMemory | null;
  readonly pauseMs: number | null;
  readonly stoppedBecause: string | null;
}

export interface InstantOptions {
  readonly attempt: number;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

/** A guest at rest waits for its disks: longer than this it must not. */
const forkLimitMs = 10_000;

export async function captureInstant(
  host: VmHost,
  capture: Capture,
  plan: CapturePlan,
  options: InstantOptions,
): Promise<Captured> {
  const record = await host.records.get(capture.vmId);
  if (!record.process) return captureStill(host, capture, plan, record);
  // Disks that were forked at an earlier try belong to memory that is gone.
  if (options.attempt > 1) throw memoryFailed(record, 'it was interrupted');
  return capture.type === 'standard'
    ? captureMemory(host, capture, record, plan, options)
    : captureAtRest(host, capture, record, plan, options);
}

/** Of a VM without a process nothing moves: the record has done it. */
async function captureStill(
  host: VmHost,
  capture: Capture,
  plan: CapturePlan,
  { saved, settings }: VmRecord,
): Promise<Captured> {
  if (plan.state === 'running' || plan.state === 'paused') {
    throw memoryFailed({ settings }, 'its QEMU has ended');
  }
  const paths = checkpointPaths(host.directory, capture.vmId, capture.id);
  await keepMachineState(host.directory, capture.vmId, paths);
  const none = { type: capture.type, memory: null, pauseMs: null, stoppedBecause: null, reason: null };
  if (!saved) return { ...none, consistency: 'off' };
  if (!plan.memory)
    return { ...none, consistency: 'crash', reason: 'the VM is saved, so its agent answers nothing' };
  await linkMemory(host.directory.vm(capture.vmId).savedMemory, paths.memory);
  return { ...none, consistency: 'memory', memory: saved };
}

async function captureMemory(
  host: VmHost,
  capture: Capture,
  record: VmRecord,
  plan: CapturePlan,
  { progress, signal }: InstantOptions,
): Promise<Captured> {
  const qmp = await monitorOf(host, capture.vmId, signal);
  const { migrationSocket } = host.directory.vm(capture.vmId);
  const paths = checkpointPaths(host.directory, capture.vmId, capture.id);
  await openOverlays(host, qmp, record, plan.overlays, signal);
  const actions = await planSwitch(qmp, plan.overlays);
  const hasState = await hasMachineState(host.directory, capture.vmId);
  const { pauseMs, stoppedBecause, ...file } = await snapshotMemory(qmp, {
    path: paths.memory,
    socketPath: host.directory.socketAddress(migrationSocket),
    qemuSocketPath: host.directory.forQemu(migrationSocket),
    running: plan.state === 'running',
    fork: () => commitSwitch(qmp, record.settings.name, actions),
    atInstant: hasState ? () => keepMachineState(host.directory, capture.vmId, paths) : null,
    lendUserfaultfd: () => host.userfaultfd.lend(),
    signal,
    progress: (done) => progress({ done, total: null, unit: 'bytes', message: 'writing the memory' }),
  }).catch((cause: unknown) => {
    if (isCorralError(cause) && !cause.code.startsWith('qmp.')) throw cause;
    signal.throwIfAborted();
    throw memoryFailed(record, (cause as Error).message, cause);
  });
  await host.supervisor.refresh(capture.vmId);
  return {
    type: 'standard',
    consistency: 'memory',
    reason: null,
    memory: {
      ...file,
      savedAt: capture.createdAt,
      qemuVersion: versionOf(qmp),
      applied: record.process!.applied,
    },
    pauseMs: plan.state === 'running' ? Math.round(pauseMs * 10) / 10 : null,
    stoppedBecause: plan.state === 'running' ? stoppedBecause : null,
  };
}

async function captureAtRest(
  host: VmHost,
  capture: Capture,
  record: VmRecord,
  plan: CapturePlan,
  { signal }: InstantOptions,
): Promise<Captured> {
  const qmp = await monitorOf(host, capture.vmId, signal);
  await openOverlays(host, qmp, record, plan.overlays, signal);
  const fork = (): Promise<void> =>
    withLimit(`Forking the disks of VM "${record.settings.name}"`, forkLimitMs, signal, async () => {
      await switchToOverlays(qmp, record.settings.name, plan.overlays);
      await keepMachineState(
        host.directory,
        capture.vmId,
        checkpointPaths(host.directory, capture.vmId, capture.id),
      );
    });
  const freezing = {
    limitMs: capture.freezeLimitMs,
    signal,
    ...(capture.allowCrash ? {} : { consistency: 'filesystem' as const }),
  };
  const { freeze } = await withFrozenGuest(host, capture.vmId, freezing, fork).catch((cause: unknown) => {
    if (!isCorralError(cause, 'guard.not-frozen')) throw cause;
    const reason = String(cause.params['reason']);
    throw checkpointErrors['no-guest']({ vm: record.settings.name, reason }, { cause });
  });
  return {
    type: 'production',
    consistency: freeze.consistency,
    // Without a hook the file systems are at rest, which is what was asked for.
    reason: freeze.consistency === 'crash' ? freeze.reason : null,
    memory: null,
    pauseMs: null,
    stoppedBecause: null,
  };
}

function memoryFailed({ settings }: Pick<VmRecord, 'settings'>, reason: string, cause?: unknown): Error {
  return checkpointErrors['memory-failed']({ vm: settings.name, reason }, { cause });
}

function versionOf(qmp: QmpClient): string {
  const { major, minor, micro } = qmp.version.qemu;
  return `${major}.${minor}.${micro}`;
}

/** @throws checkpoint.damaged when the memory is not what was written */
export async function requireMemoryFile(
  memory: SavedMemory,
  path: string,
  names: { readonly vm: string; readonly checkpoint: string },
): Promise<void> {
  const damaged = (reason: string, cause?: unknown): Error =>
    checkpointErrors.damaged({ ...names, path, reason }, { cause });
  let found: { readonly sizeBytes: number; readonly crc32: number };
  try {
    found = await checkMemoryFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw damaged('the file is missing', cause);
  }
  if (found.sizeBytes !== memory.sizeBytes) throw damaged('its length is not what was written');
  if (found.crc32 !== memory.crc32) throw damaged('its content is not what was written');
}
