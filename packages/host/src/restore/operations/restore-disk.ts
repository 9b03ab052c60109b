/** restore.disk: one disk of a backup as another disk of a VM, which may run: written first, then added like any other. */
import { rm } from 'node:fs/promises';
import { DiskSettings } from '@corral/api/schemas/vm-settings';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { connectionTarget } from '../../repository/repository-host.ts';
import { requireLegal } from '../../vm/vm-host.ts';
import { type RestoreHost, RestoreSource, withSource } from '../restore-host.ts';
import { writeRestoredDisk } from '../restored-disk.ts';

const Input = z.strictObject({
  source: RestoreSource,
  vmId: z.string(),
  vmName: z.string(),
  /** Its name in the backup. */
  from: z.string(),
  disk: DiskSettings,
  requestedBy: z.string(),
});
export type RestoreDiskInput = z.infer<typeof Input>;

interface Results {
  'write-disk': { writtenBytes: number };
  'queue-add': { operationId: string };
}

export function restoreDisk(restores: RestoreHost) {
  const { host } = restores;
  return defineOperation<RestoreDiskInput, Results>({
    kind: 'restore.disk',
    input: (json) => Input.parse(json),
    // Not the VM: it can be started, stopped and backed up while the disk is written.
    target: ({ disk, source, vmId }) => [`disk/${vmId}/${disk.name}`, connectionTarget(source.repositoryId)],
    title: ({ disk, source, vmName }) =>
      `Restore disk ${disk.name} of VM ${vmName} from backup ${source.pointName}`,
    cancellable: true,
    steps: [
      {
        name: 'write-disk',
        run: async ({ input, progress, signal }) => {
          const record = await host.records.get(input.vmId);
          requireLegal(host, record, 'disk-add');
          const path = host.directory.resolveInVm(input.vmId, input.disk.path);
          const { format, name } = input.disk;
          return await withSource(restores, input.source, signal, async (open) => {
            const total = await open.held.disk(input.from).dataBytes(signal);
            await host.volumes.requireSpace(path, total, `Restoring disk ${name}`);
            let writtenBytes = 0;
            await writeRestoredDisk(
              open,
              { name: input.from, path, format },
              {
                uid: record.uid,
                signal,
                onProgress: (bytes) => {
                  writtenBytes = bytes;
                  progress({ done: bytes, total, unit: 'bytes', message: `disk ${name}` });
                },
              },
            );
            return { writtenBytes };
          });
        },
        undo: async ({ input }) => {
          await rm(host.directory.resolveInVm(input.vmId, input.disk.path), { force: true });
        },
      },
      {
        // That operation owns the file from here on: if it fails, it takes the file away.
        name: 'queue-add',
        pivot: true,
        run: async ({ input, operationId }) => {
          const { disk, requestedBy, vmId, vmName } = input;
          const target = { id: vmId, name: vmName, disk };
          return { operationId: await restores.queueDiskAdd(target, operationId, requestedBy) };
        },
      },
    ],
    output: ({ source, vmId }, results) => ({
      vmId,
      pointId: source.pointId,
      writtenBytes: results['write-disk'].writtenBytes,
      addOperationId: results['queue-add'].operationId,
    }),
  });
}
