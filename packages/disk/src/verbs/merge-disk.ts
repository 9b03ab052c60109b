/**
 * `merge`: what a differencing disk holds goes into its parent, and the disk is removed.
 *
 * Until the parent is whole and flushed the child hides everything that is being changed beneath it, so the content is
 * right at every moment, and doing it again after a crash does no harm. What vouches for the pair meanwhile is
 * `merge-record.ts`.
 */
import { unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ChainLayer, openChain, walkChain } from '../chain.ts';
import type { ChainDisk } from '../chain-disk.ts';
import { type CopyReport, copyContent, surveyContent } from '../copy-content.ts';
import type { Disk, ProgressOptions } from '../disk.ts';
import { driverOf, openLayer } from '../drivers.ts';
import { diskErrors } from '../errors.ts';
import { findChildren } from '../find-children.ts';
import { requireNotInUse } from '../in-use.ts';
import { forgetMerge, recordMerge } from '../merge-record.ts';
import { syncFolder } from '../sync.ts';
import { freeBytes } from '../volume-limits.ts';
import type { ChainOf } from './inspect-disk.ts';

export interface MergeReport extends CopyReport {
  readonly parent: string;
  readonly sizeBytes: number;
}

/**
 * @throws disk.not-differencing; disk.in-use; disk.in-use-as-parent if other disks beside it rest on the parent, or one on the
 * child; disk.parent-mismatch if the parent is longer; disk.no-space; what opening the chain throws
 */
export async function mergeDisk(path: string, options: ChainOf & ProgressOptions = {}): Promise<MergeReport> {
  const { child, parent } = await pairOf(path, options);
  await requireNotInUse(child.path);
  await requireNotInUse(parent.path);
  await assertNothingElseRests(child, parent, options);
  await using source = await openLayer(child.path, { readOnly: true, format: child.disk.info.format });
  await growParent(source, child, parent, options);
  const report = await copyInto(parent, source, options);
  await source.close();
  await unlink(child.path);
  await syncFolder(dirname(child.path));
  await forgetMerge(child.path);
  return { ...report, parent: parent.path, sizeBytes: child.disk.info.sizeBytes };
}

interface Pair {
  readonly child: ChainLayer;
  readonly parent: ChainLayer;
}

/** The two topmost files, closed again; the whole chain was found sound. */
async function pairOf(path: string, options: ChainOf): Promise<Pair> {
  const layers: ChainLayer[] = [];
  for await (const layer of walkChain(path, { ...options, readOnly: true, duringMerge: true })) {
    layers.push(layer);
    await layer.disk.close();
  }
  const [child, parent] = layers;
  if (!child || !parent) throw diskErrors['not-differencing']({ path });
  return { child, parent };
}

async function assertNothingElseRests(
  { ...pair }: ChainLayer,
  parent: ChainLayer,
  options: ChainOf,
): Promise<void> {
  const folders = [dirname(pair.path)];
  const siblings = (await findChildren(parent.path, folders, options)).filter((path) => path !== pair.path);
  if (siblings.length > 0) throw diskErrors['in-use-as-parent']({ path: parent.path, children: siblings });
  const children = await findChildren(pair.path, folders, options);
  if (children.length > 0) throw diskErrors['in-use-as-parent']({ path: pair.path, children });
}

/** A child may be longer than its parent. Checks the space too, and leaves the record of the merge. */
async function growParent(
  source: Disk,
  child: ChainLayer,
  parent: ChainLayer,
  options: ChainOf,
): Promise<void> {
  const { sizeBytes } = source.info;
  const parentBytes = parent.disk.info.sizeBytes;
  if (parentBytes > sizeBytes) {
    const what = `it has ${parentBytes} bytes, more than the ${sizeBytes} of the differencing disk`;
    throw diskErrors['parent-mismatch']({ path: child.path, parent: parent.path, what });
  }
  const needed = await spaceNeeded(source, parent, options);
  const free = await freeBytes(parent.path);
  if (needed > free) throw diskErrors['no-space']({ path: parent.path, needed, free });
  await recordMerge(child.path, parent.path);
  if (parentBytes === sizeBytes) return;
  await driverOf(parent.disk.info.format).resize(parent.path, sizeBytes, { signal: options.signal });
}

/** Blocks of the parent that the child's data will newly allocate. */
async function spaceNeeded(source: Disk, parent: ChainLayer, options: ChainOf): Promise<number> {
  const { format, sizeBytes, blockBytes } = parent.disk.info;
  await using disk = await openLayer(parent.path, { readOnly: true, format });
  let needed = 0;
  for await (const { kind, offset, length } of source.extents(undefined, options)) {
    if (kind !== 'data') continue;
    const inside = Math.min(length, Math.max(0, sizeBytes - offset));
    needed += length - inside;
    if (inside === 0) continue;
    for await (const below of disk.extents({ offset, length: inside }, options)) {
      if (below.kind !== 'data') needed += Math.ceil(below.length / blockBytes) * blockBytes;
    }
  }
  return needed;
}

async function copyInto(
  parent: ChainLayer,
  source: Disk,
  options: ChainOf & ProgressOptions,
): Promise<CopyReport> {
  const { format, grainBytes } = parent.disk.info;
  await using target: ChainDisk = await openChain(parent.path, { ...options, format, readOnly: false });
  const { dataBytes } = await surveyContent(source, grainBytes, options);
  const report = await copyContent(source, target, { ...options, totalBytes: dataBytes, overwrite: true });
  await target.close();
  return report;
}
