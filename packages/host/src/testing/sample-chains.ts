/** Chains, checkpoints and states of a VM for unit tests. */
import type { DiskLayer, VmSettings } from '@corral/api/schemas/vm-settings';
import { chainOf, withChain } from '../chain/chain.ts';
import type { ChainState } from '../chain/chain-records.ts';
import type { CheckpointRecord } from '../checkpoint/checkpoint-record.ts';
import type { VmRecord } from '../vm/vm-record.ts';
import { sampleVm } from './sample-vm.ts';

const seal = { lengthBytes: 1, modifiedNs: '1' };

export function sampleLayer(id: string, change: Partial<DiskLayer> = {}): DiskLayer {
  return { id, path: `disks/${id}.qcow2`, format: 'qcow2', shared: false, seal, ...change };
}

/** The sample VM with its one disk on these layers, top first. */
export function vmOn(layers: readonly string[], change: Partial<VmSettings> = {}): VmSettings {
  const vm = sampleVm();
  const disks = vm.disks.map((disk) =>
    withChain(
      disk,
      layers.map((id) => sampleLayer(id)),
    ),
  );
  return { ...vm, disks, ...change };
}

export function sampleCheckpoint(
  id: string,
  layers: readonly string[],
  change: Partial<CheckpointRecord> = {},
): CheckpointRecord {
  const settings = vmOn(layers);
  return {
    id,
    vmId: settings.id,
    name: id,
    createdAt: '2026-01-02T03:04:05.000Z',
    parentId: null,
    asked: 'standard',
    type: 'standard',
    consistency: 'off',
    reason: null,
    state: 'off',
    pauseMs: null,
    settings,
    seals: Object.fromEntries(settings.disks.map((disk) => [disk.id, seal])),
    memory: null,
    warned: { old: false, large: false },
    ...change,
  };
}

export function sampleState(
  settings: VmSettings,
  checkpoints: readonly CheckpointRecord[],
  change: Partial<VmRecord> = {},
): ChainState {
  const vm: VmRecord = { settings, uid: null, process: null, saved: null, checkpointId: null, ...change };
  return { vm, checkpoints, pins: [], references: [], edges: [] };
}

/** Ids of the layers of the first disk, top first. */
export function layersOf(vm: VmSettings): string[] {
  return chainOf(vm.disks[0]!).map(({ id }) => id);
}
