/** Looks at the files of all chains of a VM: what does each take? */
import { chainOf } from '../chain/chain.ts';
import type { ChainState } from '../chain/chain-records.ts';
import { allocatedBytes } from '../chain/merge-space.ts';
import type { DataDirectory } from '../data-directory.ts';
import { unlessAbsent } from '../storage/unless-absent.ts';
import { type TreeSizes, treeSizes } from './checkpoint-sizes.ts';

export async function measureTree(directory: DataDirectory, state: ChainState): Promise<TreeSizes> {
  const { vm, checkpoints } = state;
  const disks = [vm.settings, ...checkpoints.map(({ settings }) => settings)].flatMap(
    (settings) => settings.disks,
  );
  const files = disks.filter(({ passThrough }) => !passThrough).flatMap((disk) => chainOf(disk));
  const paths = new Set(files.filter(({ shared }) => !shared).map(({ path }) => path));
  const allocated = new Map<string, number>();
  for (const path of paths) {
    // A merge has just deleted it, or somebody else has, which the start of the VM and `volume check` tell.
    allocated.set(path, await unlessAbsent(allocatedBytes(directory.resolveInVm(vm.settings.id, path)), 0));
  }
  return treeSizes(state, allocated);
}
