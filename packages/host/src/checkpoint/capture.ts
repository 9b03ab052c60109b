/**
 * The steps that take a checkpoint: of `checkpoint.create`, and of `checkpoint.apply` when it keeps the present first
 * (docs/design/0008-checkpoints.md, "What is taken"; docs/formats/checkpoint.md, "Order of writes").
 */
import { CheckpointType } from '@corral/api/schemas/checkpoint';
import type { DiskSettings, VmSettings } from '@corral/api/schemas/vm-settings';
import type { OperationStep, UndoContext } from '@corral/operation/operation';
import { z } from 'zod';
import { chainOf, withChain } from '../chain/chain.ts';
import type { ChainState } from '../chain/chain-records.ts';
import { vouchForChains } from '../chain/check-seals.ts';
import {
  type ForkOverlay,
  makeOverlays,
  planFork,
  recordFork,
  removeOverlays,
  sealFork,
  undoFork,
} from '../chain/fork.ts';
import type { PinRecord } from '../chain/pin-record.ts';
import { checkpointErrors } from '../errors.ts';
import { requireForkRoom } from '../vm/disk-space.ts';
import { subject } from '../vm/vm-events.ts';
import { monitorOf, requireLegal, rewriteSettingsFile, type VmHost } from '../vm/vm-host.ts';
import type { SavedMemory } from '../vm/vm-record.ts';
import { type Captured, captureInstant } from './capture-instant.ts';
import {
  makeCheckpointFolder,
  removeCheckpointFolder,
  rewriteCheckpointFiles,
  writeCheckpointFile,
} from './checkpoint-files.ts';
import type { CheckpointRecord } from './checkpoint-record.ts';
import { requireFreeName } from './checkpoint-tree.ts';
import { endMigration, resumeGuest } from './memory-snapshot.ts';

/** A checkpoint to be taken. Its id and name are given, so that a repeated step makes the same. */
export const Capture = z.strictObject({
  vmId: z.string(),
  vmName: z.string(),
  id: z.string(),
  name: z.string(),
  createdAt: z.string(),
  type: CheckpointType,
  allowCrash: z.boolean(),
  freezeLimitMs: z.int(),
});
export type Capture = z.infer<typeof Capture>;

export type CaptureState = CheckpointRecord['state'];

/** What is known before anything is done. */
export interface CapturePlan {
  readonly state: CaptureState;
  /** Whether memory belongs to it. */
  readonly memory: boolean;
  readonly overlays: readonly ForkOverlay[];
  /** Settings at the fork, and those of the machine that runs. */
  readonly settings: VmSettings;
  readonly applied: VmSettings | null;
}

/** Null where there is nothing to take. */
export interface CaptureResults {
  'plan-checkpoint': CapturePlan | null;
  'make-overlays': null;
  'record-fork': null;
  capture: Captured | null;
  'record-checkpoint': null;
  'write-checkpoint': null;
}

type CaptureStep<Input, Name extends keyof CaptureResults> = OperationStep<Input, CaptureResults, Name>;

/** @param of null where the operation takes no checkpoint */
export function captureSteps<Input>(host: VmHost, of: (input: Input) => Capture | null) {
  return [
    planStep(host, of),
    overlayStep(host, of),
    forkStep(host, of),
    instantStep(host, of),
    recordStep(host, of),
    writeStep(host, of),
  ] as const;
}

/** For a monitor that has to be connected again. */
const releaseLimitMs = 60_000;

type Of<Input> = (input: Input) => Capture | null;

function planStep<Input>(host: VmHost, of: Of<Input>): CaptureStep<Input, 'plan-checkpoint'> {
  return {
    name: 'plan-checkpoint',
    run: async ({ input, operationId }) => {
      const capture = of(input);
      return capture && planCapture(host, capture, operationId);
    },
  };
}

/** @throws vm.illegal-state, checkpoint.name-taken, checkpoint.no-guest, chain.cannot-fork, chain.layer-touched, volume.below-reserve */
async function planCapture(host: VmHost, capture: Capture, seed: string): Promise<CapturePlan> {
  const { vm, checkpoints } = await host.chainRecords.read(capture.vmId);
  requireLegal(host, vm, 'checkpoint-create');
  requireFreeName(checkpoints, vm.settings.name, capture.name, capture.id);
  const state = host.supervisor.status(vm).state as CaptureState;
  if (capture.type === 'production' && !capture.allowCrash && (state === 'paused' || state === 'saved')) {
    throw checkpointErrors['no-guest']({
      vm: vm.settings.name,
      reason: `it is ${state}, so its agent answers nothing`,
    });
  }
  await vouchForChains(host, capture.vmId);
  const overlays = planFork(vm.settings, seed);
  const memory = capture.type === 'standard' && state !== 'off';
  const memoryBytes = memory ? (vm.process?.applied.memoryBytes ?? 0) : 0;
  await requireForkRoom(host, vm.settings, `Checkpoint ${capture.name}`, memoryBytes);
  return { state, memory, overlays, settings: vm.settings, applied: vm.process?.applied ?? null };
}

function overlayStep<Input>(host: VmHost, of: Of<Input>): CaptureStep<Input, 'make-overlays'> {
  return {
    name: 'make-overlays',
    run: async ({ input, result, signal }) => {
      const capture = of(input);
      const plan = result('plan-checkpoint');
      if (!capture || !plan) return null;
      await makeCheckpointFolder(host.directory, capture.vmId, capture.id);
      await makeOverlays(host, await host.records.get(capture.vmId), plan.overlays, signal);
      return null;
    },
    undo: async ({ input, result }) => {
      const capture = of(input);
      const plan = result('plan-checkpoint');
      if (!capture || !plan) return;
      await removeOverlays(host, capture.vmId, plan.overlays);
      await removeCheckpointFolder(host.directory, capture.vmId, capture.id);
    },
  };
}

function forkStep<Input>(host: VmHost, of: Of<Input>): CaptureStep<Input, 'record-fork'> {
  return {
    name: 'record-fork',
    run: async ({ input, operationId, result }) => {
      const capture = of(input);
      const plan = result('plan-checkpoint');
      if (!capture || !plan) return null;
      await recordFork(host, capture.vmId, plan.overlays, (forked, before) =>
        withPin(forked, before, capture, operationId),
      );
      return null;
    },
    undo: async (context) => undoRecordedFork(host, of(context.input), context),
  };
}

async function undoRecordedFork<Input>(
  host: VmHost,
  capture: Capture | null,
  { result, signal }: UndoContext<Input, CaptureResults>,
): Promise<void> {
  const plan = result('plan-checkpoint');
  if (!capture || !plan) return;
  await undoFork(host, capture.vmId, plan.overlays, signal);
  await host.chainRecords.change(capture.vmId, (state) => ({
    ...state,
    pins: state.pins.filter(({ id }) => id !== capture.id),
  }));
  await rewriteSettingsFile(host, capture.vmId);
  await rewriteCheckpointFiles(host, capture.vmId);
  host.chains.look(capture.vmId);
}

/**
 * The pin has the id of the checkpoint, whose place it keeps until all of that is there. Its chains are those of `before`,
 * the state without the fork. Pure; repeatable.
 */
function withPin(forked: ChainState, before: ChainState, capture: Capture, operationId: string): ChainState {
  if (before.pins.some(({ id }) => id === capture.id)) return before;
  const pin: PinRecord = {
    id: capture.id,
    vmId: capture.vmId,
    reason: `checkpoint "${capture.name}", which is being taken`,
    createdAt: capture.createdAt,
    operationId,
    expiresAt: null,
    disks: before.vm.settings.disks.map((disk) => ({
      diskId: disk.id,
      name: disk.name,
      sizeBytes: disk.sizeBytes,
      chain: chainOf(disk),
    })),
    doomed: [],
  };
  return { ...forked, pins: [...forked.pins, pin] };
}

function instantStep<Input>(host: VmHost, of: Of<Input>): CaptureStep<Input, 'capture'> {
  return {
    name: 'capture',
    run: async ({ input, attempt, progress, result, signal }) => {
      const capture = of(input);
      const plan = result('plan-checkpoint');
      if (!capture || !plan) return null;
      return captureInstant(host, capture, plan, { attempt, progress, signal });
    },
    undo: async ({ input, result }) => {
      const capture = of(input);
      const plan = result('plan-checkpoint');
      if (capture && plan) await releaseGuest(host, capture, plan);
    },
  };
}

/**
 * Whatever the guest was left in: stopped, its memory half written. One that was frozen is thawed by its guard, and
 * after the death of that too by the daemon's first act.
 */
async function releaseGuest(host: VmHost, { vmId }: Capture, { memory, state }: CapturePlan): Promise<void> {
  const record = await host.records.get(vmId);
  if (!memory || !record.process) return;
  const qmp = await monitorOf(host, vmId, AbortSignal.timeout(releaseLimitMs));
  await endMigration(qmp);
  await resumeGuest(qmp, state === 'running');
  await host.supervisor.refresh(vmId);
}

function recordStep<Input>(host: VmHost, of: Of<Input>): CaptureStep<Input, 'record-checkpoint'> {
  return {
    name: 'record-checkpoint',
    run: async (context) => {
      const capture = of(context.input);
      const plan = context.result('plan-checkpoint');
      const captured = context.result('capture');
      if (capture && plan && captured) await recordCheckpoint(host, capture, plan, captured);
      return null;
    },
    undo: async ({ input }) => {
      const capture = of(input);
      if (capture) await forgetCheckpoint(host, capture);
    },
  };
}

async function recordCheckpoint(
  host: VmHost,
  capture: Capture,
  plan: CapturePlan,
  captured: Captured,
): Promise<void> {
  const sealed = await sealFork(host, capture.vmId, plan.overlays);
  if (sealed.checkpoints.some(({ id }) => id === capture.id)) return;
  // First the file: what is in the store has one.
  await writeCheckpointFile(host.directory, checkpointFrom(sealed, capture, plan, captured), true);
  await host.chainRecords.change(capture.vmId, (state) => {
    requireFreeName(state.checkpoints, state.vm.settings.name, capture.name, capture.id);
    return {
      ...state,
      vm: { ...state.vm, checkpointId: capture.id },
      checkpoints: [...state.checkpoints, checkpointFrom(state, capture, plan, captured)],
      pins: state.pins.filter(({ id }) => id !== capture.id),
    };
  });
}

/** Chains and seals are those of the pin, which followed whatever happened to the files meanwhile. Pure. */
function checkpointFrom(
  state: ChainState,
  capture: Capture,
  plan: CapturePlan,
  captured: Captured,
): CheckpointRecord {
  const pin = state.pins.find(({ id }) => id === capture.id)!;
  const sealed = (disk: DiskSettings): DiskSettings => {
    const pinned = pin.disks.find(({ diskId }) => diskId === disk.id);
    return pinned ? withChain(disk, pinned.chain) : disk;
  };
  const withSealed = (vm: VmSettings): VmSettings => ({ ...vm, disks: vm.disks.map(sealed) });
  const memory: SavedMemory | null = captured.memory && {
    ...captured.memory,
    applied: withSealed(captured.memory.applied),
  };
  return {
    id: capture.id,
    vmId: capture.vmId,
    name: capture.name,
    createdAt: capture.createdAt,
    parentId: state.vm.checkpointId,
    asked: capture.type,
    type: captured.type,
    consistency: captured.consistency,
    reason: captured.reason,
    state: memory ? plan.state : 'off',
    pauseMs: captured.pauseMs,
    settings: withSealed(plan.settings),
    seals: Object.fromEntries(pin.disks.map(({ diskId, chain }) => [diskId, chain[0]!.seal])),
    memory,
    warned: { old: false, large: false },
  };
}

/** Before the operation's pivot it can be taken back: the present then stands where it stood. */
async function forgetCheckpoint(host: VmHost, capture: Capture): Promise<void> {
  await host.chainRecords.change(capture.vmId, (state) => {
    const taken = state.checkpoints.find(({ id }) => id === capture.id);
    if (!taken) return state;
    return {
      ...state,
      vm: { ...state.vm, checkpointId: taken.parentId },
      checkpoints: state.checkpoints.filter(({ id }) => id !== capture.id),
    };
  });
}

function writeStep<Input>(host: VmHost, of: Of<Input>): CaptureStep<Input, 'write-checkpoint'> {
  return {
    name: 'write-checkpoint',
    run: async (context) => {
      const capture = of(context.input);
      const captured = context.result('capture');
      if (capture && captured) await tellTaken(host, capture, captured);
      return null;
    },
  };
}

async function tellTaken(host: VmHost, capture: Capture, captured: Captured): Promise<void> {
  const record = await host.records.get(capture.vmId);
  await rewriteSettingsFile(host, capture.vmId);
  await rewriteCheckpointFiles(host, capture.vmId);
  const { type, consistency, reason, pauseMs, stoppedBecause } = captured;
  await host.emit('checkpoint.created', subject(record), {
    checkpoint: capture.name,
    type,
    consistency,
    reason,
  });
  if (stoppedBecause !== null) {
    await host.emit('checkpoint.guest-stopped', subject(record), {
      checkpoint: capture.name,
      pauseMs: Math.round(pauseMs ?? 0),
      reason: stoppedBecause,
    });
  }
  host.chains.look(capture.vmId);
}
