/** Warns of checkpoints that are old or have grown large: each once, for they are no backup (mission M3). */
import { delay } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import { subject } from '../vm/vm-events.ts';
import type { VmHost } from '../vm/vm-host.ts';
import type { CheckpointRecord } from './checkpoint-record.ts';
import type { CheckpointSize } from './checkpoint-sizes.ts';
import { measureTree } from './measure-tree.ts';

export interface CheckpointLimits {
  /** A checkpoint that is older is warned of. */
  readonly ageMs: number;
  /** One on which more was written since than this part of its disks' size is, too. */
  readonly part: number;
}

const dayMs = 24 * 3600e3;
export const defaultCheckpointLimits: CheckpointLimits = { ageMs: 7 * dayMs, part: 0.25 };
const lookEveryMs = 60_000;

/** Looks now and from time to time, until the signal aborts. */
export async function watchCheckpoints(
  host: VmHost,
  limits: CheckpointLimits,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    for (const { settings } of await host.records.list()) {
      await warnOf(host, settings.id, limits).catch((cause: unknown) => {
        if (isCorralError(cause, 'vm.not-found')) return;
        host.log.warn({ err: cause, vm: settings.name }, 'could not look at the checkpoints of a VM');
      });
    }
    await delay(lookEveryMs, signal);
  }
}

async function warnOf(host: VmHost, vmId: string, limits: CheckpointLimits): Promise<void> {
  const state = await host.chainRecords.read(vmId);
  if (state.checkpoints.every(({ warned }) => warned.old && warned.large)) return;
  const { checkpoints: sizes } = await measureTree(host.directory, state);
  for (const checkpoint of state.checkpoints) {
    const due = dueWarnings(checkpoint, sizes.get(checkpoint.id)!, limits, Date.now());
    if (!due.old && !due.large) continue;
    await host.chainRecords.change(vmId, (current) => ({
      ...current,
      checkpoints: current.checkpoints.map((each) => (each.id === checkpoint.id ? warned(each, due) : each)),
    }));
    await tell(host, checkpoint, due, sizes.get(checkpoint.id)!, limits);
  }
}

interface Warnings {
  readonly old: boolean;
  readonly large: boolean;
}

/** Those that are due and were not given yet. Pure. */
export function dueWarnings(
  { createdAt, settings, warned: given }: Pick<CheckpointRecord, 'createdAt' | 'settings' | 'warned'>,
  { changedBytes }: CheckpointSize,
  limits: CheckpointLimits,
  nowMs: number,
): Warnings {
  const diskBytes = settings.disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return {
    old: !given.old && nowMs - Date.parse(createdAt) > limits.ageMs,
    large: !given.large && diskBytes > 0 && changedBytes > diskBytes * limits.part,
  };
}

function warned(checkpoint: CheckpointRecord, due: Warnings): CheckpointRecord {
  const { old, large } = checkpoint.warned;
  return { ...checkpoint, warned: { old: old || due.old, large: large || due.large } };
}

async function tell(
  host: VmHost,
  { name, createdAt, vmId }: CheckpointRecord,
  due: Warnings,
  { changedBytes }: CheckpointSize,
  limits: CheckpointLimits,
): Promise<void> {
  const about = subject(await host.records.get(vmId));
  if (due.old) {
    const days = Math.round((limits.ageMs / dayMs) * 10) / 10;
    await host.emit('checkpoint.old', about, { checkpoint: name, createdAt, days });
  }
  if (due.large) {
    const percent = Math.round(limits.part * 100);
    await host.emit('checkpoint.large', about, { checkpoint: name, changedBytes, percent });
  }
}
