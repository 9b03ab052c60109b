/** Files of layers that nobody holds any more. */
import { rm } from 'node:fs/promises';
import { chainOf } from '../chain/chain.ts';
import { type ChainState, diskIdsOf, holdersOf } from '../chain/chain-records.ts';
import type { VmHost } from '../vm/vm-host.ts';
import type { CheckpointRecord } from './checkpoint-record.ts';

/** Files of the chains of these settings, shared ones and devices of the host left out. Pure. */
export function layerPathsOf(settings: CheckpointRecord['settings']): string[] {
  return settings.disks
    .filter(({ passThrough }) => !passThrough)
    .flatMap((disk) => chainOf(disk))
    .filter(({ shared }) => !shared)
    .map(({ path }) => path);
}

/** Those of `paths` that no chain of the VM names. Pure: by path, since a merge gives a file another state. */
export function unheld(state: ChainState, paths: readonly string[]): string[] {
  const held = new Set(
    diskIdsOf(state).flatMap((diskId) =>
      holdersOf(state, diskId).flatMap(({ chain }) => chain.map(({ path }) => path)),
    ),
  );
  return [...new Set(paths)].filter((path) => !held.has(path));
}

/** Repeatable. No merge touches the files meanwhile. */
export async function deleteUnheld(host: VmHost, vmId: string, paths: readonly string[]): Promise<void> {
  await using _files = await host.chains.pause(vmId);
  const state = await host.chainRecords.read(vmId);
  for (const path of unheld(state, paths)) {
    await rm(host.directory.resolveInVm(vmId, path), { force: true });
  }
}
