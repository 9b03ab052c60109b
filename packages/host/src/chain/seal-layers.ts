/** Seals the layers of a VM whose files have just been put in their place. */
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import type { DataDirectory } from '../data-directory.ts';
import { chainOf, withChain } from './chain.ts';
import { sealOf } from './seal.ts';

/** Sealed anew: what lies there now is what counts. The files are this VM's alone. */
export async function withSealedLayers(
  directory: DataDirectory,
  vmId: string,
  vm: VmSettings,
): Promise<VmSettings> {
  const disks: VmSettings['disks'] = [];
  for (const disk of vm.disks) {
    const parents: typeof disk.parents = [];
    for (const layer of disk.parents) {
      const seal = await sealOf(directory.resolveInVm(vmId, layer.path));
      parents.push({ ...layer, shared: false, seal });
    }
    disks.push(withChain(disk, [...chainOf(disk).slice(0, 1), ...parents]));
  }
  return { ...vm, disks };
}
