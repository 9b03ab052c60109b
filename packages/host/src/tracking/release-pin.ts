/**
 * Lets go of a pin. What was abandoned while it held the files (a checkpoint was applied or deleted, a disk removed) goes
 * with it: what it says of changes is saved first, since a reference point may stand on it.
 *
 *   save changes ─▶ delete files ─▶ record without the pin: each part is repeated if one of them is cut off
 */
import type { ChainState } from '../chain/chain-records.ts';
import { unheld } from '../checkpoint/layer-files.ts';
import { removeWhole } from '../storage/whole-files.ts';
import { pruneDiskFolder } from '../vm/vm-folders.ts';
import type { VmHost } from '../vm/vm-host.ts';
import { saveVanishing } from './save-changes.ts';

/** Repeatable. @throws vm.not-found */
export async function releasePin(
  host: VmHost,
  vmId: string,
  pinId: string,
  signal: AbortSignal,
): Promise<void> {
  const without = (state: ChainState): ChainState => ({
    ...state,
    pins: state.pins.filter(({ id }) => id !== pinId),
  });
  const { pins } = await host.chainRecords.read(vmId);
  const doomed = pins.find(({ id }) => id === pinId)?.doomed ?? [];
  if (doomed.length > 0) {
    await saveVanishing(host, vmId, without, signal);
    // Nobody can come to hold again what only this pin does.
    await using _files = await host.chains.pause(vmId);
    for (const path of unheld(without(await host.chainRecords.read(vmId)), doomed)) {
      const file = host.directory.resolveInVm(vmId, path);
      await removeWhole(file);
      await pruneDiskFolder(path);
    }
  }
  await host.chainRecords.change(vmId, without);
  host.chains.look(vmId);
}
