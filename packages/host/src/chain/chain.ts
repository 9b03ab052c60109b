/**
 * The chain of a disk: its layers, top first (docs/design/0006-disk-chains.md). Pure.
 *
 *   chain[0]  what is written to, or, of a checkpoint, the state that it keeps
 *   chain[1…] sealed layers below, nearest first
 */
import type { DiskLayer, DiskSettings, LayerSeal, VmSettings } from '@corral/api/schemas/vm-settings';

export type Chain = readonly DiskLayer[];

export interface Overlay {
  /** Of the state that the new layer will be. */
  readonly id: string;
  readonly path: string;
}

/** Two layers of which the upper is written into the file of the lower. */
export interface Merge {
  readonly upper: DiskLayer;
  readonly lower: DiskLayer;
}

/** @param seal of the top layer, if it is sealed */
export function chainOf(disk: DiskSettings, seal: LayerSeal | null = null): DiskLayer[] {
  return [{ id: disk.layerId, format: disk.format, path: disk.path, shared: false, seal }, ...disk.parents];
}

/** The disk with `chain` below its device. The top layer must be one that may be written to. */
export function withChain(disk: DiskSettings, chain: Chain): DiskSettings {
  const [top, ...parents] = chain;
  return { ...disk, layerId: top!.id, format: top!.format, path: top!.path, parents };
}

/** What was written to is sealed, and a differencing disk lies on it. */
export function withOverlay(disk: DiskSettings, overlay: Overlay, seal: LayerSeal | null): DiskSettings {
  const top: DiskLayer = { id: overlay.id, path: overlay.path, format: 'qcow2', shared: false, seal: null };
  return withChain(disk, [top, ...chainOf(disk, seal)]);
}

/**
 * The same state in the same file. A VM that was deleted and is registered again from an export has the states that it
 * had, in other files: what was begun with the old ones is not to be recorded for the new.
 */
export function isSameLayer(one: DiskLayer | undefined, other: DiskLayer): boolean {
  return one !== undefined && one.id === other.id && one.path === other.path;
}

/** The upper's state, in the lower's file. A chain that does not hold the two, one on the other, stays as it is. */
export function withMerged(chain: Chain, { upper, lower }: Merge, seal: LayerSeal | null): Chain {
  const at = chain.findIndex((layer) => isSameLayer(layer, upper));
  if (at < 0 || !isSameLayer(chain[at + 1], lower)) return chain;
  // The top of a chain that is written to has no seal, whichever file it is.
  const merged: DiskLayer = { ...lower, id: upper.id, seal: chain[at]!.seal && seal };
  return [...chain.slice(0, at), merged, ...chain.slice(at + 2)];
}

/** The same with the seal of one layer changed. */
export function withSeal(chain: Chain, layerId: string, seal: LayerSeal | null): Chain {
  return chain.map((layer) => (layer.id === layerId ? { ...layer, seal } : layer));
}

/** `vm` with the chain of one disk changed. */
export function withDiskChain(vm: VmSettings, diskId: string, change: (chain: Chain) => Chain): VmSettings {
  return {
    ...vm,
    disks: vm.disks.map((disk) => {
      if (disk.id !== diskId) return disk;
      const chain = chainOf(disk);
      const changed = change(chain);
      return changed === chain ? disk : withChain(disk, changed);
    }),
  };
}

/** Whether Corral may put layers on the disk: not on a device of the host. */
export function canFork(disk: DiskSettings): boolean {
  return !disk.passThrough;
}

/** Where an overlay of the disk lies: beside the layer that it is put on. */
export function overlayPath(disk: DiskSettings, layerId: string): string {
  const folder = disk.path.slice(0, disk.path.lastIndexOf('/') + 1);
  return `${folder}${disk.name}.${layerId}.qcow2`;
}
