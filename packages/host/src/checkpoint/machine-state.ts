/** What a machine keeps beside its disks: UEFI variables and the TPM's state. Small, and copied whole. */
import { chmod, chown, constants, copyFile, cp, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncTree } from '@corral/disk/sync';
import type { DataDirectory } from '../data-directory.ts';
import { makeWhole, removeWhole } from '../storage/whole-files.ts';
import { exists } from '../vm/disk-files.ts';
import type { VmRecord } from '../vm/vm-record.ts';
import type { CheckpointPaths } from './checkpoint-files.ts';

type StatePaths = Pick<CheckpointPaths, 'firmwareVariables' | 'tpm'>;

export async function hasMachineState(directory: DataDirectory, vmId: string): Promise<boolean> {
  const { firmwareVariables, tpm } = directory.vm(vmId);
  return (await exists(firmwareVariables)) || (await exists(tpm));
}

export async function keepMachineState(
  directory: DataDirectory,
  vmId: string,
  to: StatePaths,
): Promise<void> {
  const { firmwareVariables, tpm } = directory.vm(vmId);
  if (await exists(firmwareVariables)) {
    await makeWhole(to.firmwareVariables, (part) =>
      copyFile(firmwareVariables, part, constants.COPYFILE_FICLONE),
    );
  }
  if (await exists(tpm)) await copyFolder(tpm, to.tpm);
}

/** A checkpoint that has none leaves none: the next start makes them anew. Repeatable. */
export async function restoreMachineState(
  directory: DataDirectory,
  { settings, uid }: Pick<VmRecord, 'settings' | 'uid'>,
  from: StatePaths,
): Promise<void> {
  const { firmwareVariables, tpm } = directory.vm(settings.id);
  await rm(tpm, { recursive: true, force: true });
  if (await exists(from.tpm)) {
    await copyFolder(from.tpm, tpm);
    if (uid !== null) await chownAll(tpm, uid);
  }
  if (!(await exists(from.firmwareVariables))) return removeWhole(firmwareVariables);
  await makeWhole(firmwareVariables, async (part) => {
    await copyFile(from.firmwareVariables, part, constants.COPYFILE_FICLONE);
    await chmod(part, 0o600);
    if (uid !== null) await chown(part, uid, uid);
  });
}

async function copyFolder(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, preserveTimestamps: true });
  await syncTree(to);
}

/** Links are left alone: the VM's user might have put one there. */
async function chownAll(folder: string, uid: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const found = await lstat(path);
    if (found.isDirectory()) await chownAll(path, uid);
    else if (found.isFile()) await chown(path, uid, uid);
  }
  await chown(folder, uid, uid);
}
