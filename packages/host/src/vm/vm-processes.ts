/** The processes of a VM: QEMU and, with a TPM, swtpm. Found by their arguments, ended for certain. */
import type { DataDirectory } from '../data-directory.ts';
import { findProcesses } from '../process/find-process.ts';
import { killProcess, type ProcessIdentity } from '../process/process-identity.ts';

/** QEMU's of this VM in this data directory: at most one, unless something went badly wrong. */
export function findQemu(directory: DataDirectory, id: string): Promise<ProcessIdentity[]> {
  const folder = directory.vm(id).folder;
  return findProcesses((args) => args.includes(id) && args.includes(folder));
}

export function findSwtpm(id: string): Promise<ProcessIdentity[]> {
  const mark = `vms/${id}/tpm`;
  return findProcesses((args) => args[0]!.endsWith('swtpm') && args.some((arg) => arg.includes(mark)));
}

/**
 * Ends every process of the VM. Repeatable.
 *
 * @param recorded its QEMU: one whose first thread has ended already has no arguments to be found by
 */
export async function killVmProcesses(
  directory: DataDirectory,
  id: string,
  recorded: ProcessIdentity | null,
): Promise<void> {
  const found = [...(await findQemu(directory, id)), ...(await findSwtpm(id))];
  const processes = recorded ? [...found, recorded] : found;
  for (const identity of processes) await killProcess(`the processes of VM ${id}`, identity);
}
