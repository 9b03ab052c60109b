/**
 * QEMU's storage daemon with a chain open, for merges of a VM that has no QEMU: the same job on the same nodes, as the
 * VM's own user (qemu-storage-daemon(1)). It is not detached on purpose, and ended for certain: see `endStorageDaemons`.
 */
import { chown, mkdir, rm } from 'node:fs/promises';
import { Turns } from '@corral/core/turns';
import { QmpClient } from '@corral/qmp/qmp-client';
import type { DataDirectory } from '../data-directory.ts';
import { findProcesses } from '../process/find-process.ts';
import { killProcess, type ProcessIdentity } from '../process/process-identity.ts';
import { spawnDetached } from '../process/spawn-detached.ts';
import { layerNode, sealedFileOptions } from '../vm/qemu-devices.ts';
import type { Chain } from './chain.ts';
import { type LayerFile, layerFiles } from './layer-file.ts';

const program = 'qemu-storage-daemon';
const startLimitMs = 30_000;
/** So long one whose work is called off may take to cancel it: a start of the VM waits for it. */
const cancelLimitMs = 10_000;

export interface StorageDaemonOptions {
  readonly directory: DataDirectory;
  readonly vmId: string;
  readonly uid: number | null;
  /** Top first. All layers are opened; QEMU asks for the right to write where its job needs it. */
  readonly chain: Chain;
  readonly signal: AbortSignal;
}

/** Merges of several disks of a VM that is off take turns. By the VM's folder. */
const turns = new Turns();

/** Starts one; at its disposal it is gone. At most one per VM: who comes meanwhile waits. */
export async function openStorageDaemon(
  options: StorageDaemonOptions,
): Promise<{ readonly qmp: QmpClient } & AsyncDisposable> {
  const { directory, vmId, signal } = options;
  const turn = await turns.hold(directory.vm(vmId).folder, signal);
  try {
    const daemon = await startStorageDaemon(options);
    return {
      qmp: daemon.qmp,
      [Symbol.asyncDispose]: async () => {
        using _ = turn;
        await daemon[Symbol.asyncDispose]();
      },
    };
  } catch (cause) {
    turn[Symbol.dispose]();
    throw cause;
  }
}

async function startStorageDaemon(
  options: StorageDaemonOptions,
): Promise<{ readonly qmp: QmpClient } & AsyncDisposable> {
  const { directory, vmId, uid } = options;
  // One that an earlier daemon of ours left.
  await endStorageDaemons(directory, vmId);
  const { log } = directory.vm(vmId);
  const run = runFolder(directory, vmId);
  const socket = `${run}/monitor.sock`;
  await mkdir(run, { mode: 0o700 });
  await mkdir(log, { recursive: true, mode: 0o700 });
  if (uid !== null) await chown(run, uid, uid);
  const { identity } = await spawnDetached({
    program,
    args: storageDaemonArguments(
      options,
      directory.forQemu(socket),
      await layerFiles(directory, vmId, options.chain),
    ),
    cwd: directory.root,
    user: uid === null ? null : { uid, gid: uid },
    logPath: `${log}/storage-daemon.log`,
  });
  const end = async (): Promise<void> => {
    if (identity) await killProcess('qemu-storage-daemon', identity);
    await rm(run, { recursive: true, force: true });
  };
  try {
    const qmp = await QmpClient.connect(directory.socketAddress(socket), {
      peer: `the storage daemon of VM ${vmId}`,
      limitMs: startLimitMs,
      signal: options.signal,
      starting: true,
    });
    const overdue = afterAbort(options.signal, cancelLimitMs, end);
    return {
      qmp,
      [Symbol.asyncDispose]: async () => {
        overdue[Symbol.dispose]();
        await qmp.close();
        await end();
      },
    };
  } catch (cause) {
    await end();
    throw cause;
  }
}

/** Does `act` when so much time has gone by after the abort. */
function afterAbort(signal: AbortSignal, limitMs: number, act: () => Promise<void>): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    // What cannot be ended is tried again at the disposal, and told there.
    timer = setTimeout(() => void act().catch(() => undefined), limitMs);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    [Symbol.dispose]: () => {
      signal.removeEventListener('abort', onAbort);
      clearTimeout(timer);
    },
  };
}

/** Ends those that an earlier daemon of ours left behind. A merge that is cut off loses nothing. Repeatable. */
export async function endStorageDaemons(directory: DataDirectory, vmId: string): Promise<void> {
  for (const identity of await findStorageDaemons(directory, vmId)) {
    await killProcess('qemu-storage-daemon', identity);
  }
  await rm(runFolder(directory, vmId), { recursive: true, force: true });
}

/** Beside the one of its QEMU, which is made anew at each start. */
const runFolder = (directory: DataDirectory, vmId: string): string => `${directory.vm(vmId).run}.merge`;

export function findStorageDaemons(directory: DataDirectory, vmId: string): Promise<ProcessIdentity[]> {
  const mark = ownerMark(directory, vmId);
  return findProcesses((args) => args[0]!.endsWith(program) && args.includes(mark));
}

/** Its options have no place for a name; a secret that nobody uses tells whose it is in a list of processes. */
const ownerMark = (directory: DataDirectory, vmId: string): string =>
  `secret,id=owner,data=${directory.vm(vmId).folder.replaceAll(',', ',,')}`;

function storageDaemonArguments(
  options: StorageDaemonOptions,
  socket: string,
  files: readonly LayerFile[],
): string[] {
  const { directory, vmId, chain } = options;
  const blockdevs = chain.map((layer, index) => ({
    driver: layer.format,
    'node-name': layerNode(layer.path),
    // Through the page cache: twice as fast, and there is no guest whose writes the flush at the end could stall.
    // Only the lowest of the two is written to, by the job; nobody has the top open for writing.
    'auto-read-only': true,
    'read-only': index > 0,
    file: sealedFileOptions(layer, { ...files[index]!, direct: false }),
    ...(layer.format === 'qcow2'
      ? { backing: chain[index + 1] ? layerNode(chain[index + 1]!.path) : null }
      : {}),
  }));
  return [
    ...['--object', ownerMark(directory, vmId)],
    ...['--chardev', `socket,id=monitor,path=${socket},server=on,wait=off`],
    ...['--monitor', 'chardev=monitor'],
    ...blockdevs.reverse().flatMap((blockdev) => ['--blockdev', JSON.stringify(blockdev)]),
  ];
}
