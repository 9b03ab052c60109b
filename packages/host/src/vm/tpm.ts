/**
 * A TPM 2.0 through swtpm, one process per VM, as the VM's user (swtpm(8)). `--terminate`: it ends with QEMU's
 * connection, so it outlives the daemon exactly as long as QEMU does.
 */
import { chmod, chown, copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { delay, withLimit } from '@corral/core/abort';
import type { DataDirectory } from '../data-directory.ts';
import { vmErrors } from '../errors.ts';
import { killProcess } from '../process/process-identity.ts';
import { spawnDetached } from '../process/spawn-detached.ts';
import { exists } from './disk-files.ts';
import { endOfLog } from './qemu-log.ts';
import { findSwtpm } from './vm-processes.ts';

const startLimitMs = 30_000;

/** @throws vm.unsupported-firmware without swtpm; vm.tpm-failed when it ends at once */
export async function startTpm(
  directory: DataDirectory,
  vm: { readonly id: string; readonly name: string },
  uid: number | null,
): Promise<void> {
  const paths = directory.vm(vm.id);
  const logPath = join(paths.log, 'swtpm.log');
  // One that a killed daemon had just started holds the lock of the state.
  await endTpm(vm.id);
  await mkdir(paths.tpm, { recursive: true, mode: 0o700 });
  if (uid !== null) await chown(paths.tpm, uid, uid);
  const state = directory.forQemu(paths.tpm);
  const socket = directory.forQemu(paths.tpmSocket);
  const { exited } = await spawnDetached({
    program: 'swtpm',
    args: [
      'socket',
      '--tpm2',
      '--tpmstate',
      `dir=${state}`,
      '--ctrl',
      `type=unixio,path=${socket}`,
      '--terminate',
    ],
    cwd: directory.root,
    user: uid === null ? null : { uid, gid: uid },
    logPath,
  }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause;
    throw vmErrors['unsupported-firmware'](
      { what: 'A TPM', path: 'swtpm', fix: 'Install the Debian package swtpm.' },
      { cause },
    );
  });
  let ended = false;
  void exited.then(() => {
    ended = true;
  });
  await withLimit('Starting swtpm', startLimitMs, undefined, async (signal) => {
    while (!(await exists(paths.tpmSocket))) {
      if (ended) throw vmErrors['tpm-failed']({ vm: vm.name, lastWords: await endOfLog(logPath) });
      await delay(10, signal);
    }
  });
}

/** Ends a TPM that no QEMU is connected to: with QEMU it ends by itself. Repeatable. */
export async function endTpm(id: string): Promise<void> {
  for (const identity of await findSwtpm(id)) await killProcess(`the TPM of VM ${id}`, identity);
}

/** For a clone, whose swtpm runs as another user. The lock belongs to the process that has it. Repeatable. */
export async function copyTpm(source: string, target: string, uid: number | null): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o700 });
  const names = (await readdir(source)).filter((name) => !name.startsWith('.'));
  for (const name of names) await copyFile(join(source, name), join(target, name));
  for (const path of [target, ...names.map((name) => join(target, name))]) {
    await chmod(path, path === target ? 0o700 : 0o600);
    if (uid !== null) await chown(path, uid, uid);
  }
}
