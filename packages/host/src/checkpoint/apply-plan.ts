/** What applying a checkpoint makes of a VM's record. Pure (docs/design/0008-checkpoints.md, "Apply"). */
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { withOverlay } from '../chain/chain.ts';
import type { ChainState } from '../chain/chain-records.ts';
import { type ForkOverlay, planFork } from '../chain/fork.ts';
import type { SavedMemory } from '../vm/vm-record.ts';
import type { CheckpointRecord } from './checkpoint-record.ts';

export interface Application {
  readonly checkpointId: string;
  /** New: the guest sees that its time went another way. */
  readonly generationId: string;
  /** Of the operation: the same layers at each try. */
  readonly seed: string;
}

/**
 * The layers on which the new present will stand. Others than those that the same operation puts on the old present
 * when it keeps that in a checkpoint first: its guest writes to them until it ends.
 *
 * @throws chain.cannot-fork
 */
export function planLayers(checkpoint: CheckpointRecord, seed: string): ForkOverlay[] {
  return planFork(checkpoint.settings, `the new present of ${seed}`);
}

/** The present is the checkpoint's from now on. Repeatable. */
export function applied(state: ChainState, application: Application): ChainState {
  const checkpoint = state.checkpoints.find(({ id }) => id === application.checkpointId)!;
  const { generationId } = application;
  if (state.vm.checkpointId === checkpoint.id && state.vm.settings.generationId === generationId)
    return state;
  const overlays = planLayers(checkpoint, application.seed);
  const settings = {
    ...onLayers(checkpoint.settings, checkpoint, overlays),
    ...kept(state.vm.settings),
    generationId,
  };
  const saved: SavedMemory | null = checkpoint.memory && {
    ...checkpoint.memory,
    applied: { ...onLayers(checkpoint.memory.applied, checkpoint, overlays), generationId },
  };
  return { ...state, vm: { ...state.vm, settings, saved, process: null, checkpointId: checkpoint.id } };
}

/** How people and the host call and treat the VM is no part of the machine. */
function kept(present: VmSettings): Partial<VmSettings> {
  const { id, name, createdAt, autostart, autostop } = present;
  return { id, name, createdAt, autostart, autostop, generation: present.generation + 1 };
}

function onLayers(vm: VmSettings, { seals }: CheckpointRecord, overlays: readonly ForkOverlay[]): VmSettings {
  return {
    ...vm,
    disks: vm.disks.map((disk) => {
      const overlay = overlays.find(({ diskId }) => diskId === disk.id);
      return overlay ? withOverlay(disk, overlay, seals[disk.id] ?? null) : disk;
    }),
  };
}
