/** Files of layers that nobody holds any more. */
import { chainOf } from '../chain/chain.ts';
import { type ChainState, diskIdsOf, holdersOf } from '../chain/chain-records.ts';
import type { PinRecord } from '../chain/pin-record.ts';
import { removeWhole } from '../storage/whole-files.ts';
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

/** Those of `paths` that nothing but pins hold go with the last of these. Pure; repeatable. */
export function withDoomed(state: ChainState, paths: readonly string[]): ChainState {
  const going = new Set(unheld({ ...state, pins: [] }, paths));
  const doomedWith = ({ disks, doomed }: PinRecord): string[] => [
    ...new Set([
      ...doomed,
      ...disks.flatMap(({ chain }) => chain.map(({ path }) => path)).filter((path) => going.has(path)),
    ]),
  ];
  return { ...state, pins: state.pins.map((pin) => ({ ...pin, doomed: doomedWith(pin) })) };
}

/**
 * Repeatable. No merge touches the files meanwhile. What a pin holds is left to `releasePin`.
 *
 * @returns those that are gone
 */
export async function deleteUnheld(
  host: VmHost,
  vmId: string,
  paths: readonly string[],
): Promise<readonly string[]> {
  await using _files = await host.chains.pause(vmId);
  const state = await host.chainRecords.change(vmId, (before) => withDoomed(before, paths));
  const gone = unheld(state, paths);
  for (const path of gone) {
    const file = host.directory.resolveInVm(vmId, path);
    if (await isOurs(host, file)) await removeWhole(file);
  }
  return gone;
}

/** What lies on a volume that another host has taken is not this one's to delete. */
async function isOurs({ volumes }: VmHost, file: string): Promise<boolean> {
  const volume = await volumes.of(file);
  return volume === null || (await volumes.standing(volume)).state === 'held';
}
