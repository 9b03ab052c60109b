/** Nothing is made of a checkpoint whose layers are not as they were sealed. */
import { chainOf } from '../chain/chain.ts';
import { brokenSeal } from '../chain/seal.ts';
import { checkpointErrors } from '../errors.ts';
import type { VmHost } from '../vm/vm-host.ts';
import type { CheckpointRecord } from './checkpoint-record.ts';
import { findCheckpoint } from './checkpoint-tree.ts';

/** A merge may move a state into another file between the record and the look, seldom twice. */
const mostLooks = 3;

/** @throws checkpoint.not-found, checkpoint.damaged */
export async function requireSoundLayers(host: VmHost, vmId: string, id: string): Promise<void> {
  for (let look = 1; ; look += 1) {
    const { vm, checkpoints } = await host.chainRecords.read(vmId);
    const checkpoint = findCheckpoint(checkpoints, vm.settings.name, id);
    const broken = await brokenLayer(host, vmId, checkpoint);
    if (broken === null) return;
    if (look < mostLooks) continue;
    throw checkpointErrors.damaged({ vm: vm.settings.name, checkpoint: checkpoint.name, ...broken });
  }
}

async function brokenLayer(
  { directory }: VmHost,
  vmId: string,
  { seals, settings }: CheckpointRecord,
): Promise<{ readonly path: string; readonly reason: string } | null> {
  for (const disk of settings.disks) {
    for (const layer of chainOf(disk, seals[disk.id] ?? null)) {
      const path = directory.resolveInVm(vmId, layer.path);
      const reason = await brokenSeal(path, layer.seal);
      if (reason !== null) return { path, reason };
    }
  }
  return null;
}
