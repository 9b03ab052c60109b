/** `resize` and `compact`: changes of one file in place. */
import { openChain } from '../chain.ts';
import type { CompactReport, ProgressOptions, ResizeOptions } from '../disk.ts';
import { driverOf, probeFormat } from '../drivers.ts';
import { diskErrors } from '../errors.ts';
import { findChildren } from '../find-children.ts';
import { requireNotInUse } from '../in-use.ts';
import type { ChainOf } from './inspect-disk.ts';

export interface ResizeReport {
  readonly sizeBytesBefore: number;
  readonly sizeBytes: number;
}

/** @throws disk.shrink-refused without `shrink`; disk.in-use; disk.in-use-as-parent; what the format refuses */
export async function resizeDisk(
  path: string,
  sizeBytes: number,
  options: ChainOf & Omit<ResizeOptions, 'parentBytes'> = {},
): Promise<ResizeReport> {
  await requireNotInUse(path);
  const format = options.format ?? (await probeFormat(path, options));
  const { before, parentBytes } = await sizes(path, { ...options, format });
  // What shows through them would be cut off or moved, or their links no longer hold.
  const children = await findChildren(path, options.allowedFolders ?? [], options);
  if (children.length > 0) throw diskErrors['in-use-as-parent']({ path, children });
  await driverOf(format).resize(path, sizeBytes, { ...options, parentBytes });
  return { sizeBytesBefore: before, sizeBytes };
}

/** The longest of the parents decides what new space must hide. */
async function sizes(
  path: string,
  options: ChainOf,
): Promise<{ before: number; parentBytes: number | undefined }> {
  await using disk = await openChain(path, { ...options, readOnly: true });
  const parents = disk.layers.slice(1).map((layer) => layer.disk.info.sizeBytes);
  return { before: disk.info.sizeBytes, parentBytes: parents.length > 0 ? Math.max(...parents) : undefined };
}

/** The content stays; zeros, gaps and unused blocks go back to the volume. @throws disk.in-use */
export async function compactDisk(
  path: string,
  options: ChainOf & ProgressOptions = {},
): Promise<CompactReport> {
  await requireNotInUse(path);
  const format = options.format ?? (await probeFormat(path, options));
  return await driverOf(format).compact(path, options);
}
