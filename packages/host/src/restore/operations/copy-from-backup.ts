/**
 * restore.copy: copies what a VM still reads from its backup into its own disks, while it runs, stops and starts. Until
 * the record of a disk says otherwise it stands on the backup, and that is right however much was copied.
 */
import type { DiskLayer, DiskSettings } from '@corral/api/schemas/vm-settings';
import { delay } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import { defineOperation, type Progress } from '@corral/operation/operation';
import { z } from 'zod';
import { chainOf } from '../../chain/chain.ts';
import { ChainPaused, writingTarget } from '../../chain/chain-keeper.ts';
import { withChains } from '../../chain/chain-records.ts';
import { giveUpTopSeals } from '../../chain/resting-tops.ts';
import { openStorageDaemon } from '../../chain/storage-daemon.ts';
import { connectionTarget } from '../../repository/repository-host.ts';
import { subject } from '../../vm/vm-events.ts';
import { isQemuGone, monitorOf, rewriteSettingsFile, type VmHost } from '../../vm/vm-host.ts';
import { type RestoreHost, RestoreSource } from '../restore-host.ts';
import { streamDisk } from '../stream-job.ts';

const Input = z.strictObject({ source: RestoreSource, vmId: z.string(), vmName: z.string() });
export type CopyInput = z.infer<typeof Input>;

interface Results {
  copy: null;
  'end-server': null;
}

/** A QEMU that is just being started or ended, a server that is started again. */
const againMs = 500;
const watchMs = 1_000;

export function restoreCopy({ host }: Pick<RestoreHost, 'host'>) {
  return defineOperation<CopyInput, Results>({
    kind: 'restore.copy',
    input: (json) => Input.parse(json),
    target: ({ source, vmId }) => [
      `copy/${vmId}`,
      { shared: writingTarget(vmId) },
      connectionTarget(source.repositoryId),
    ],
    title: ({ vmName }) => `Copy the disks of VM ${vmName} from its backup`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'copy',
        pivot: true,
        run: async ({ input, progress, signal }) => {
          await copyAll(host, input.vmId, signal, progress);
          return null;
        },
      },
      {
        name: 'end-server',
        run: async ({ input }) => {
          await host.pointServers.end(input.vmId);
          const record = await host.records.find(input.vmId);
          if (!record) return null;
          await rewriteSettingsFile(host, input.vmId);
          const { repositoryName, pointName } = input.source;
          await host.emit('vm.copied-from-backup', subject(record), {
            repository: repositoryName,
            point: pointName,
          });
          return null;
        },
      },
    ],
    output: ({ vmId }) => ({ vmId }),
  });
}

async function copyAll(
  host: VmHost,
  vmId: string,
  signal: AbortSignal,
  progress: (progress: Progress) => void,
): Promise<void> {
  for (;;) {
    const record = await host.records.find(vmId);
    const disk = record && nextDisk(record.settings.disks);
    if (!record || !disk) return;
    await using watch = watchServer(host, vmId, signal);
    try {
      await host.chains.work(vmId, watch.signal, async (limited) => {
        await copyDisk(host, vmId, disk, limited, progress);
        await recordCopy(host, vmId, disk);
      });
    } catch (cause) {
      signal.throwIfAborted();
      if (!isPassing(cause)) throw cause;
      await delay(againMs, signal);
    }
  }
}

function nextDisk(disks: readonly DiskSettings[]): DiskSettings | undefined {
  return disks.find((disk) => pointBelow(disk) !== undefined);
}

function pointBelow(disk: DiskSettings): DiskLayer | undefined {
  return disk.parents.find(({ point }) => point !== undefined);
}

function isPassing(cause: unknown): boolean {
  return cause instanceof ChainPaused || isQemuGone(cause) || isCorralError(cause, 'vm.not-found');
}

/** In the VM's QEMU if it has one, else in a storage daemon. */
async function copyDisk(
  host: VmHost,
  vmId: string,
  disk: DiskSettings,
  signal: AbortSignal,
  progress: (progress: Progress) => void,
): Promise<void> {
  const record = await host.records.get(vmId);
  const options = {
    signal,
    progress: (done: number, total: number) =>
      progress({ done, total, unit: 'bytes', message: `disk ${disk.name}` }),
  };
  const below = pointBelow(disk)!;
  if (record.process) return streamDisk(await monitorOf(host, vmId, signal), disk, below, options);
  await host.pointServers.ensure(record.settings, record.uid, signal);
  const chain = chainOf(disk);
  const { directory } = host;
  await giveUpTopSeals(host.records, vmId);
  await using daemon = await openStorageDaemon({ directory, vmId, uid: record.uid, chain, signal });
  return await streamDisk(daemon.qmp, disk, below, options);
}

/** From here on the disk stands on its own file alone. Repeatable. */
async function recordCopy(host: VmHost, vmId: string, disk: DiskSettings): Promise<void> {
  const { id } = pointBelow(disk)!;
  await host.chainRecords.change(vmId, (state) =>
    withChains(state, disk.id, (chain) => chain.filter((layer) => layer.id !== id)),
  );
}

/** A server that died is started again: QEMU waits for it. */
function watchServer(
  host: VmHost,
  vmId: string,
  signal: AbortSignal,
): { readonly signal: AbortSignal } & AsyncDisposable {
  const stop = new AbortController();
  const trouble = new AbortController();
  const until = AbortSignal.any([signal, stop.signal]);
  const watching = (async () => {
    while (!until.aborted) {
      const record = await host.records.find(vmId);
      if (record) await host.pointServers.ensure(record.settings, record.uid, until);
      await delay(watchMs, until);
    }
  })().catch((cause: unknown) => {
    if (!until.aborted) trouble.abort(cause);
  });
  return {
    signal: AbortSignal.any([signal, trouble.signal]),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await watching;
    },
  };
}
