/**
 * A TPM 2.0 through swtpm, one process per VM, as the VM's user (swtpm(8)). `--terminate`: it ends with QEMU's
 * connection, so it outlives the daemon exactly as long as QEMU does.
 */
import { chown, mkdir } from 'node:fs/promises';
import { delay, withLimit } from '@corral/core/abort';
import type { DataDirectory } from '../data-directory.ts';
import { vmErrors } from '../errors.ts';
import { spawnDetached } from '../process/spawn-detached.ts';
import { exists } from './disk-files.ts';

const startLimitMs = 10_000;

export async function startTpm(directory: DataDirectory, id: string, uid: number | null): Promise<void> {
  const paths = directory.vm(id);
  await mkdir(paths.tpm, { recursive: true, mode: 0o700 });
  if (uid !== null) await chown(paths.tpm, uid, uid);
  const state = directory.forQemu(paths.tpm);
  const socket = directory.forQemu(paths.tpmSocket);
  await spawnDetached({
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
    logPath: `${paths.log}/swtpm.log`,
  }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause;
    throw vmErrors['unsupported-firmware'](
      { what: 'A TPM', path: 'swtpm', fix: 'Install the Debian package swtpm.' },
      { cause },
    );
  });
  await withLimit('Starting swtpm', startLimitMs, undefined, async (signal) => {
    while (!(await exists(paths.tpmSocket))) await delay(10, signal);
  });
}
