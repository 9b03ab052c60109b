/** What a merge must be sure of before it writes, and before it lifts a seal. */
import type { DiskLayer, LayerSeal } from '@corral/api/schemas/vm-settings';
import { chainErrors } from '../errors.ts';
import type { VmHost } from '../vm/vm-host.ts';
import type { Chain } from './chain.ts';
import type { MergeRequest } from './chain-keeper.ts';
import { type ChainState, holdersOf } from './chain-records.ts';
import { sealedAbove } from './layer-forest.ts';
import { allocatedBytes } from './merge-space.ts';
import { topSeal } from './resting-tops.ts';
import { brokenSeal } from './seal.ts';

/** A VM may be started between the record and the look. */
const mostLooks = 3;

/** What another host has taken meanwhile is not this one's to write to. @throws volume.released, volume.foreign and the like */
export async function requireHeld(host: VmHost, { vmId, lower }: MergeRequest): Promise<void> {
  const volume = await host.volumes.of(host.directory.resolveInVm(vmId, lower.path));
  if (volume) await host.volumes.requireHeld(volume);
}

/**
 * Nothing is read from a file that was edited from outside, and no seal is taken of one: whatever the merge opens, and
 * what lies on it. A layer whose seal was lifted before has none to break.
 *
 * @throws chain.layer-touched
 */
export async function requireUntouched(host: VmHost, request: MergeRequest): Promise<void> {
  for (let look = 1; ; look += 1) {
    const broken = await brokenOf(host, request, await host.chainRecords.read(request.vmId));
    if (broken === null) return;
    if (look === mostLooks) {
      throw chainErrors['layer-touched']({ vm: request.vmName, disk: request.diskName, ...broken });
    }
  }
}

async function brokenOf(
  host: VmHost,
  { vmId, diskId, upper }: MergeRequest,
  state: ChainState,
): Promise<{ readonly path: string; readonly reason: string } | null> {
  const above = sealedAbove(holdersOf(state, diskId), upper.id);
  for (const layer of [...above, ...(chainDownFrom(state, diskId, upper.id) ?? [])]) {
    if (layer.point) continue;
    const path = host.directory.resolveInVm(vmId, layer.path);
    const reason = await brokenSeal(path, layer.seal ?? restingSeal(state, diskId, layer));
    if (reason !== null) return { path, reason };
  }
  return null;
}

function restingSeal({ vm }: ChainState, diskId: string, { id }: DiskLayer): LayerSeal | null {
  const disk = vm.settings.disks.find((each) => each.id === diskId);
  return disk?.layerId === id ? topSeal(vm, disk) : null;
}

/** At most what the upper layer holds is added to the lower one. @throws volume.below-reserve */
export async function requireSpace(host: VmHost, { vmId, upper, lower }: MergeRequest): Promise<void> {
  const path = host.directory.resolveInVm(vmId, lower.path);
  const wantedBytes = await allocatedBytes(host.directory.resolveInVm(vmId, upper.path));
  await host.volumes.requireSpace(path, wantedBytes, `A merge of ${upper.path} into ${lower.path}`);
}

/** The upper layer and all below it. */
export function chainDownFrom(state: ChainState, diskId: string, layerId: string): Chain | null {
  for (const { chain } of holdersOf(state, diskId)) {
    const at = chain.findIndex(({ id }) => id === layerId);
    if (at >= 0) return chain.slice(at);
  }
  return null;
}
