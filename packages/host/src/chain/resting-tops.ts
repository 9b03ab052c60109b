/**
 * The top layers of a VM that has no QEMU: what they were like when they were last left (docs/design/0006-disk-chains.md,
 * "Hands off"). They are written to as soon as somebody opens them, so what tells of them is not in the chain: it is taken
 * down when a QEMU has ended or a look finds it missing, and given up, under a pause of the chains, before they are opened.
 */
import type { DiskSettings, LayerSeal } from '@corral/api/schemas/vm-settings';
import type { DataDirectory } from '../data-directory.ts';
import type { RestingTop, VmRecord, VmRecords } from '../vm/vm-record.ts';
import { sealOf } from './seal.ts';

/** What is known of the disk's top layer; null: nothing, or of another one. Pure. */
export function topSeal({ process, resting }: VmRecord, disk: DiskSettings): LayerSeal | null {
  if (process) return null;
  return resting?.find((top) => isOf(top, disk))?.seal ?? null;
}

function isOf(top: RestingTop, { id, layerId, path }: DiskSettings): boolean {
  return top.diskId === id && top.layerId === layerId && top.path === path;
}

/** Whether a look would take down more than is known. Pure. */
export function lacksTopSeals(record: VmRecord): boolean {
  return !record.process && topDisks(record).some((disk) => topSeal(record, disk) === null);
}

function topDisks({ settings }: VmRecord): DiskSettings[] {
  return settings.disks.filter(({ passThrough }) => !passThrough);
}

/** Of a VM whose disks nobody has open for writing. */
export async function lookAtTops(directory: DataDirectory, record: VmRecord): Promise<RestingTop[]> {
  const tops: RestingTop[] = [];
  for (const { id, layerId, path } of topDisks(record)) {
    // Missing, or on a volume that is gone: a start says so by itself.
    const seal = await sealOf(directory.resolveInVm(record.settings.id, path)).catch(() => null);
    if (seal) tops.push({ diskId: id, layerId, path, seal });
  }
  return tops;
}

/** Takes down what is not known yet. What is known stays: it is what an edit from outside is found by. */
export async function sealTops(directory: DataDirectory, records: VmRecords, id: string): Promise<void> {
  const tops = await lookAtTops(directory, await records.get(id));
  await records.update(id, (record) => {
    if (!lacksTopSeals(record)) return record;
    const resting = topDisks(record).flatMap((disk) => {
      const known = record.resting?.find((top) => isOf(top, disk)) ?? tops.find((top) => isOf(top, disk));
      return known ? [known] : [];
    });
    return { ...record, resting };
  });
}

/** Somebody is about to write to them. The caller holds a pause of the VM's chains, or works on them. Repeatable. */
export async function giveUpTopSeals(records: VmRecords, id: string): Promise<void> {
  const record = await records.find(id);
  if (record?.resting) await records.update(id, ({ resting: _, ...rest }) => rest);
}
