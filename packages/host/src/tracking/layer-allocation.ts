/** What a sealed layer has by itself: that, and no more, differs from the state below it. */
import type { DiskLayer } from '@corral/api/schemas/vm-settings';
import type { Range } from '@corral/disk/disk';
import { openLayer } from '@corral/disk/drivers';
import type { DataDirectory } from '../data-directory.ts';
import { unionOf } from './ranges.ts';

/** Reads the tables of the file alone, to 2 KiB where it has subclusters. */
export async function layerAllocation(
  directory: DataDirectory,
  vmId: string,
  layer: DiskLayer,
  signal: AbortSignal,
): Promise<Range[]> {
  const path = directory.resolveInVm(vmId, layer.path);
  await using disk = await openLayer(path, { readOnly: true, format: layer.format, signal });
  const ranges: Range[] = [];
  for await (const { kind, offset, length } of disk.extents(undefined, { signal })) {
    if (kind !== 'hole') ranges.push({ offset, length });
  }
  return unionOf(ranges);
}
