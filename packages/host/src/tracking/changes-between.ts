/** What changed between two states of a disk: never less than that. */
import { isCorralError } from '@corral/core/errors';
import type { Range } from '@corral/disk/disk';
import type { ChainState } from '../chain/chain-records.ts';
import type { VmHost } from '../vm/vm-host.ts';
import { type ChangeLink, changeLinks, pathBetween } from './change-links.ts';
import { readExtentsFile } from './extents-file.ts';
import { layerAllocation } from './layer-allocation.ts';
import { clipTo, unionOf } from './ranges.ts';
import type { TrackingHost } from './save-changes.ts';

export interface DiskState {
  readonly stateId: string;
  readonly sizeBytes: number;
}

export type ReadLink = (link: ChangeLink) => Promise<readonly Range[]>;

/**
 * @returns sorted extents of `to`, its growth among them; null where the two states are not known to have anything in
 *   common
 */
export async function changesBetween(
  state: ChainState,
  diskId: string,
  from: DiskState,
  to: DiskState,
  read: ReadLink,
): Promise<Range[] | null> {
  const path = pathBetween(changeLinks(state, diskId), from.stateId, to.stateId);
  if (!path) return null;
  const ranges: Range[] = [];
  for (const link of path) for (const range of await read(link)) ranges.push(range);
  const growth = { offset: from.sizeBytes, length: Math.max(0, to.sizeBytes - from.sizeBytes) };
  return clipTo(unionOf([...ranges, growth]), to.sizeBytes);
}

const mostAttempts = 5;

/**
 * The same by what the VM's records and files say now. Where a merge ends meanwhile, a layer that said what changed is gone,
 * and its edge says it. A damaged edge says nothing (docs/formats/changes.md): null.
 */
export async function knownChanges(
  host: TrackingHost & Pick<VmHost, 'log'>,
  { vmId, diskId, from, to }: { vmId: string; diskId: string; from: DiskState; to: DiskState },
  signal: AbortSignal,
): Promise<Range[] | null> {
  for (let attempt = 1; ; attempt += 1) {
    const state = await host.chainRecords.read(vmId);
    try {
      return await changesBetween(state, diskId, from, to, linkReader(host, vmId, signal));
    } catch (cause) {
      const isDamaged = isCorralError(cause, 'tracking.extents-damaged');
      if (!isDamaged && !isCorralError(cause, 'disk.not-found')) throw cause;
      if (attempt < mostAttempts) continue;
      if (!isDamaged) throw cause;
      host.log.warn({ err: cause, vm: state.vm.settings.name }, 'what changed of a disk is not known');
      return null;
    }
  }
}

/** Reads links from the files that a VM has. */
function linkReader(host: Pick<TrackingHost, 'directory'>, vmId: string, signal: AbortSignal): ReadLink {
  return ({ source }) =>
    source.kind === 'edge'
      ? readExtentsFile(host.directory.resolveInVm(vmId, source.edge.path), source.edge)
      : layerAllocation(host.directory, vmId, source.layer, signal);
}
