/**
 * Serves pinned chains over NBD, read-only: QEMU's storage daemon as the VM's own user, on a Unix socket, one export per
 * disk, named like it. It outlives the daemon. Beside the data it tells `base:allocation` and `qemu:allocation-depth`.
 */
import { chown, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { delay, withLimit } from '@corral/core/abort';
import type { PinRecord } from '../chain/pin-record.ts';
import type { DataDirectory } from '../data-directory.ts';
import { hostErrors } from '../errors.ts';
import { findProcesses } from '../process/find-process.ts';
import { isAlive, killProcess, type ProcessIdentity } from '../process/process-identity.ts';
import { spawnDetached } from '../process/spawn-detached.ts';
import { isThere } from '../storage/unless-absent.ts';

const program = 'qemu-storage-daemon';
const startLimitMs = 30_000;
const pollMs = 10;

export interface ServedChains {
  readonly directory: DataDirectory;
  readonly vmId: string;
  readonly uid: number | null;
  readonly changesId: string;
  readonly disks: PinRecord['disks'];
}

const folderOf = (directory: DataDirectory, changesId: string): string =>
  join(directory.root, 'run', `changes-${changesId}`);

export function changesSocket(directory: DataDirectory, changesId: string): string {
  return join(folderOf(directory, changesId), 'nbd.sock');
}

/** Ready when it resolves. One that serves the same already is ended first. */
export async function serveChanges(
  served: ServedChains,
  signal: AbortSignal,
): Promise<ProcessIdentity | null> {
  const { directory, vmId, uid, changesId } = served;
  await endChangesServer(directory, changesId);
  if (served.disks.length === 0) return null;
  const folder = folderOf(directory, changesId);
  await mkdir(folder, { mode: 0o700 });
  if (uid !== null) await chown(folder, uid, uid);
  const { log } = directory.vm(vmId);
  await mkdir(log, { recursive: true, mode: 0o700 });
  const { identity } = await spawnDetached({
    program,
    args: argumentsOf(served, folder),
    cwd: directory.root,
    user: uid === null ? null : { uid, gid: uid },
    logPath: join(log, 'changes.log'),
  });
  try {
    await withLimit('Serving the changes of a VM', startLimitMs, signal, (limited) =>
      untilReady(join(folder, 'pid'), identity, limited),
    );
    return identity;
  } catch (cause) {
    await endChangesServer(directory, changesId);
    throw cause;
  }
}

/** The file appears when all exports are there (qemu-storage-daemon(1)). */
async function untilReady(
  pidFile: string,
  identity: ProcessIdentity | null,
  signal: AbortSignal,
): Promise<void> {
  while (!(await isThere(pidFile))) {
    if (!identity || !(await isAlive(identity))) {
      throw hostErrors['command-failed']({
        command: program,
        output: 'it ended; its words are in log/changes.log of the VM',
      });
    }
    await delay(pollMs, signal);
  }
}

/** Repeatable; also ends one that nobody has recorded. */
export async function endChangesServer(directory: DataDirectory, changesId: string): Promise<void> {
  const mark = markOf(changesId);
  const found = await findProcesses((args) => args[0]!.endsWith(program) && args.includes(mark));
  for (const identity of found) await killProcess(program, identity);
  await rm(folderOf(directory, changesId), { recursive: true, force: true });
}

/** Its options have no place for a name; a secret that nobody uses tells whose it is in a list of processes. */
const markOf = (changesId: string): string => `secret,id=changes,data=${changesId}`;

function argumentsOf({ directory, vmId, changesId, disks }: ServedChains, folder: string): string[] {
  const forQemu = (path: string): string => directory.forQemu(directory.resolveInVm(vmId, path));
  const blockdevs = disks.flatMap(({ chain }, disk) =>
    chain
      .map((layer, index) => ({
        driver: layer.format,
        'node-name': `disk${disk}layer${index}`,
        'read-only': true,
        'force-share': true,
        file: { driver: 'file', filename: forQemu(layer.path), 'read-only': true, 'force-share': true },
        ...(layer.format === 'qcow2'
          ? { backing: chain[index + 1] ? `disk${disk}layer${index + 1}` : null }
          : {}),
      }))
      .reverse(),
  );
  const socket = directory.forQemu(join(folder, 'nbd.sock'));
  return [
    ...['--object', markOf(changesId)],
    ...blockdevs.flatMap((blockdev) => ['--blockdev', JSON.stringify(blockdev)]),
    ...['--nbd-server', `addr.type=unix,addr.path=${socket},max-connections=0`],
    ...disks.flatMap(({ name }, disk) => [
      '--export',
      JSON.stringify({
        type: 'nbd',
        id: `export${disk}`,
        'node-name': `disk${disk}layer0`,
        name,
        writable: false,
        'allocation-depth': true,
      }),
    ]),
    ...['--pidfile', directory.forQemu(join(folder, 'pid'))],
  ];
}
