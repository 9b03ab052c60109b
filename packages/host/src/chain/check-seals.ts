/** Corral does not start a VM on a chain that it cannot vouch for. */
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import type { DataDirectory } from '../data-directory.ts';
import { chainErrors } from '../errors.ts';
import { brokenSeal } from './seal.ts';

export interface BrokenLayer {
  readonly disk: string;
  readonly path: string;
  readonly reason: string;
}

/** Every sealed layer below the disks that is missing or was touched. */
export async function brokenLayers(directory: DataDirectory, vm: VmSettings): Promise<BrokenLayer[]> {
  const broken: BrokenLayer[] = [];
  for (const disk of vm.disks) {
    for (const layer of disk.parents) {
      const path = directory.resolveInVm(vm.id, layer.path);
      const reason = await brokenSeal(path, layer.seal);
      if (reason !== null) broken.push({ disk: disk.name, path, reason });
    }
  }
  return broken;
}

/** @throws chain.layer-touched */
export async function checkSeals(directory: DataDirectory, vm: VmSettings): Promise<void> {
  const [broken] = await brokenLayers(directory, vm);
  if (broken) throw chainErrors['layer-touched']({ vm: vm.name, ...broken });
}
