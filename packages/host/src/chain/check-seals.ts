/** Corral does not start a VM on a chain that it cannot vouch for, and reads none. */
import type { DataDirectory } from '../data-directory.ts';
import { chainErrors } from '../errors.ts';
import type { VmRecord, VmRecords } from '../vm/vm-record.ts';
import { chainOf } from './chain.ts';
import { topSeal } from './resting-tops.ts';
import { brokenSeal } from './seal.ts';

export interface BrokenLayer {
  readonly disk: string;
  readonly path: string;
  readonly reason: string;
}

/** Every sealed layer of the disks that is missing or was touched; of a VM without a QEMU the top ones too. */
export async function brokenLayers(directory: DataDirectory, record: VmRecord): Promise<BrokenLayer[]> {
  const { settings, process } = record;
  const broken: BrokenLayer[] = [];
  for (const disk of settings.disks) {
    const chain = chainOf(disk, topSeal(record, disk));
    for (const layer of process || disk.passThrough ? disk.parents : chain) {
      const path = directory.resolveInVm(settings.id, layer.path);
      const reason = await brokenSeal(path, layer.seal);
      if (reason !== null) broken.push({ disk: disk.name, path, reason });
    }
  }
  return broken;
}

/** @throws chain.layer-touched */
export async function checkSeals(directory: DataDirectory, record: VmRecord): Promise<void> {
  const [broken] = await brokenLayers(directory, record);
  if (broken) throw chainErrors['layer-touched']({ vm: record.settings.name, ...broken });
}

/** A merge may move a state into another file between the record and the look, seldom twice. */
const mostLooks = 3;

/**
 * For whoever stacks or reads the files of a VM that has no QEMU. (Of one that runs the files below are open: what is
 * edited under it is found at its next start.)
 *
 * @throws chain.layer-touched
 */
export async function vouchForChains(
  { directory, records }: { readonly directory: DataDirectory; readonly records: VmRecords },
  vmId: string,
): Promise<void> {
  for (let look = 1; ; look += 1) {
    const record = await records.get(vmId);
    if (record.process) return;
    if (look === mostLooks) return checkSeals(directory, record);
    if ((await brokenLayers(directory, record)).length === 0) return;
  }
}
