/** What lies in `checkpoints/<id>` of a VM's folder (docs/formats/checkpoint.md). */
import { link, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '@corral/disk/sync';
import { z } from 'zod';
import type { DataDirectory } from '../data-directory.ts';
import { makeWhole, removeWhole, writeWhole } from '../storage/whole-files.ts';
import { exists } from '../vm/disk-files.ts';
import type { VmHost } from '../vm/vm-host.ts';
import { CheckpointRecord } from './checkpoint-record.ts';

export const CheckpointFile = z.strictObject({
  format: z.literal('corral-checkpoint/1'),
  /** Whether the present of `vm.json` stands on it. */
  current: z.boolean(),
  checkpoint: CheckpointRecord,
});
export type CheckpointFile = z.infer<typeof CheckpointFile>;

export interface CheckpointPaths {
  readonly folder: string;
  readonly file: string;
  readonly memory: string;
  readonly firmwareVariables: string;
  readonly tpm: string;
}

export function checkpointPaths(directory: DataDirectory, vmId: string, id: string): CheckpointPaths {
  return checkpointPathsIn(join(directory.vm(vmId).checkpoints, id));
}

export function checkpointPathsIn(folder: string): CheckpointPaths {
  return {
    folder,
    file: join(folder, 'checkpoint.json'),
    memory: join(folder, 'memory'),
    firmwareVariables: join(folder, 'firmware-variables.fd'),
    tpm: join(folder, 'tpm'),
  };
}

/** Root's alone: QEMU gets memory through a socket and never opens these files. Repeatable. */
export async function makeCheckpointFolder(
  directory: DataDirectory,
  vmId: string,
  id: string,
): Promise<void> {
  const { checkpoints } = directory.vm(vmId);
  await mkdir(checkpoints, { recursive: true, mode: 0o700 });
  await mkdir(join(checkpoints, id), { recursive: true, mode: 0o700 });
  await syncFolder(checkpoints);
}

/** Also the folder of all when it was the last. Repeatable. */
export async function removeCheckpointFolder(
  directory: DataDirectory,
  vmId: string,
  id: string,
): Promise<void> {
  const { checkpoints } = directory.vm(vmId);
  await removeWhole(join(checkpoints, id));
  if ((await exists(checkpoints)) && (await readdir(checkpoints)).length === 0) {
    await removeWhole(checkpoints);
  }
}

/** A second name for memory that nobody writes to any more: it costs nothing. Repeatable. */
export async function linkMemory(from: string, to: string): Promise<void> {
  await makeWhole(to, (part) => link(from, part));
}

export async function writeCheckpointFile(
  directory: DataDirectory,
  checkpoint: CheckpointRecord,
  current: boolean,
): Promise<void> {
  const { file } = checkpointPaths(directory, checkpoint.vmId, checkpoint.id);
  const content: CheckpointFile = { format: 'corral-checkpoint/1', current, checkpoint };
  const text = `${JSON.stringify(content, null, 2)}\n`;
  if ((await exists(file)) && (await readFile(file, 'utf8')) === text) return;
  await writeWhole(file, text, 0o600);
}

/** Brings the files of all checkpoints up to what the store holds. Repeatable. */
export async function rewriteCheckpointFiles(host: VmHost, vmId: string): Promise<void> {
  const { vm, checkpoints } = await host.chainRecords.read(vmId);
  for (const checkpoint of checkpoints) {
    await writeCheckpointFile(host.directory, checkpoint, vm.checkpointId === checkpoint.id);
  }
}
