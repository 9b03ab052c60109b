/**
 * Where the file of a new disk goes. A disk of the same name may have been there before: its file stays, as long as a
 * checkpoint or a reader holds it or somebody kept it, and is not the new disk's to write to, or to take away.
 */
import type { DiskSettings } from '@corral/api/schemas/vm-settings';
import { type ChainState, diskIdsOf, holdersOf } from '../chain/chain-records.ts';
import { vmErrors } from '../errors.ts';
import { exists } from './disk-files.ts';
import type { VmHost } from './vm-host.ts';

/** The disk with a path at which nothing lies, and that no chain of the VM names. */
export async function withFreePath(host: VmHost, vmId: string, disk: DiskSettings): Promise<DiskSettings> {
  if (disk.passThrough) return disk;
  const held = heldPaths(await host.chainRecords.read(vmId));
  const isTaken = held.has(disk.path) || (await exists(host.directory.resolveInVm(vmId, disk.path)));
  if (!isTaken) return disk;
  const folder = disk.path.slice(0, disk.path.lastIndexOf('/') + 1);
  return { ...disk, path: `${folder}${disk.name}.${disk.layerId}.${disk.format}` };
}

/** Before the file is made: what came since the path was chosen. Pure. @throws vm.disk-exists, vm.bad-disk */
export function requireFreePlace(state: ChainState, disk: DiskSettings): void {
  const { settings } = state.vm;
  if (settings.disks.some(({ id, name }) => name === disk.name && id !== disk.id)) {
    throw vmErrors['disk-exists']({ vm: settings.name, disk: disk.name });
  }
  if (disk.passThrough || !heldPaths(state).has(disk.path)) return;
  throw vmErrors['bad-disk']({ disk: disk.name, reason: `${disk.path} is a file of another disk by now.` });
}

/** Of all chains of the VM, those of disks that only a checkpoint has among them. Pure. */
function heldPaths(state: ChainState): ReadonlySet<string> {
  const chains = diskIdsOf(state).flatMap((diskId) => holdersOf(state, diskId).map(({ chain }) => chain));
  return new Set(chains.flat().map(({ path }) => path));
}
