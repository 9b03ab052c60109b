/**
 * What checkpoints and the present take. Pure: what each file takes comes in.
 *
 * Each file is counted once, at the oldest checkpoint whose content needs it; so the sizes of a tree, the present's
 * included, make up what the VM takes.
 */

import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { chainOf } from '../chain/chain.ts';
import { type ChainState, diskIdsOf, holdersOf } from '../chain/chain-records.ts';
import { layerForest } from '../chain/layer-forest.ts';

export interface CheckpointSize {
  readonly sizeBytes: number;
  /** Of the layers that lie directly on it: written since. */
  readonly changedBytes: number;
}

export interface TreeSizes {
  readonly checkpoints: ReadonlyMap<string, CheckpointSize>;
  readonly presentBytes: number;
}

/** @param allocated by path as the records have it, what the file takes; a file that is missing takes nothing */
export function treeSizes(state: ChainState, allocated: ReadonlyMap<string, number>): TreeSizes {
  const counted = new Set<string>();
  const named = new Set(
    state.checkpoints.flatMap(({ settings }) => settings.disks.map(({ layerId }) => layerId)),
  );
  const own = (settings: VmSettings): number =>
    settings.disks
      .filter(({ passThrough }) => !passThrough)
      .reduce((sum, disk) => sum + ownLayers(disk, named, counted, allocated), 0);
  const onTop = bytesOnTop(state, allocated);
  const checkpoints = new Map<string, CheckpointSize>();
  for (const { id, settings, memory } of oldestFirst(state.checkpoints)) {
    const sizeBytes = own(settings) + (memory?.sizeBytes ?? 0);
    const changedBytes = settings.disks.reduce((sum, { layerId }) => sum + (onTop.get(layerId) ?? 0), 0);
    checkpoints.set(id, { sizeBytes, changedBytes });
  }
  return { checkpoints, presentBytes: own(state.vm.settings) };
}

export function oldestFirst<T extends { readonly createdAt: string; readonly id: string }>(
  checkpoints: readonly T[],
): T[] {
  return checkpoints.toSorted((a, b) => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id));
}

/** From the top down to the next state that has a name of its own. */
function ownLayers(
  disk: VmSettings['disks'][number],
  named: ReadonlySet<string>,
  counted: Set<string>,
  allocated: ReadonlyMap<string, number>,
): number {
  let bytes = 0;
  for (const [index, layer] of chainOf(disk).entries()) {
    if (layer.shared || (index > 0 && named.has(layer.id))) break;
    if (counted.has(layer.path)) continue;
    counted.add(layer.path);
    bytes += allocated.get(layer.path) ?? 0;
  }
  return bytes;
}

function bytesOnTop(state: ChainState, allocated: ReadonlyMap<string, number>): Map<string, number> {
  const bytes = new Map<string, number>();
  for (const diskId of diskIdsOf(state)) {
    for (const { layer, parentId } of layerForest(holdersOf(state, diskId)).values()) {
      if (parentId === null) continue;
      bytes.set(parentId, (bytes.get(parentId) ?? 0) + (allocated.get(layer.path) ?? 0));
    }
  }
  return bytes;
}
