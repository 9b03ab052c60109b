/**
 * vm.disk-resize: a disk becomes larger, under its running guest too. Of its layers only the top one grows: those below
 * count as zeros behind their end, in QEMU and in the change tracking (docs/formats/changes.md).
 */
import { driverOf } from '@corral/disk/drivers';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { giveUpTopSeals } from '../../chain/resting-tops.ts';
import { vmErrors } from '../../errors.ts';
import { layerNode } from '../qemu-devices.ts';
import { subject } from '../vm-events.ts';
import { monitorOf, requireLegal, rewriteSettingsFile, type VmHost } from '../vm-host.ts';
import { withChangedSettings } from './change-settings.ts';

const Input = z.strictObject({
  id: z.string(),
  name: z.string(),
  diskId: z.string(),
  diskName: z.string(),
  sizeBytes: z.int(),
});
export type DiskResizeInput = z.infer<typeof Input>;

interface Results {
  grow: null;
  store: null;
  'write-file': null;
}

export function vmDiskResize(host: VmHost) {
  return defineOperation<DiskResizeInput, Results>({
    kind: 'vm.disk-resize',
    input: (json) => Input.parse(json),
    target: ({ id }) => [`vm/${id}`],
    title: ({ diskName, name }) => `Enlarge disk ${diskName} of VM ${name}`,
    cancellable: false,
    // A guest may have seen it: there is no way back.
    afterCrash: 'resume',
    steps: [
      {
        name: 'grow',
        run: async ({ input, signal }) => {
          await grow(host, input, signal);
          return null;
        },
      },
      {
        name: 'store',
        pivot: true,
        run: async ({ input }) => {
          const { id, diskId, sizeBytes } = input;
          await host.records.update(id, (record) =>
            withChangedSettings(record, ({ disks }) => ({
              disks: disks.map((disk) => (disk.id === diskId ? { ...disk, sizeBytes } : disk)),
            })),
          );
          return null;
        },
      },
      {
        name: 'write-file',
        run: async ({ input }) => {
          await rewriteSettingsFile(host, input.id);
          const { diskName: disk, sizeBytes } = input;
          await host.emit('vm.disk-resized', subject(await host.records.get(input.id)), { disk, sizeBytes });
          return null;
        },
      },
    ],
    output: ({ id }) => ({ vmId: id }),
  });
}

/** Repeatable. @throws vm.illegal-state, vm.disk-not-found, vm.disk-shrinks */
async function grow(
  host: VmHost,
  { id, name, diskId, diskName, sizeBytes }: DiskResizeInput,
  signal: AbortSignal,
): Promise<void> {
  // A merge may have just moved what the disk holds into another file: the record is read when it has ended.
  await using _files = await host.chains.pause(id);
  const record = await host.records.get(id);
  requireLegal(host, record, 'disk-resize');
  const disk = record.settings.disks.find((each) => each.id === diskId);
  if (!disk) throw vmErrors['disk-not-found']({ vm: name, disk: diskName });
  if (sizeBytes < disk.sizeBytes) {
    throw vmErrors['disk-shrinks']({ vm: name, disk: diskName, sizeBytes: disk.sizeBytes });
  }
  if (!record.process) {
    await giveUpTopSeals(host.records, id);
    await driverOf(disk.format).resize(host.directory.resolveInVm(id, disk.path), sizeBytes, { signal });
    return;
  }
  const qmp = await monitorOf(host, id, signal);
  const resize = { 'node-name': layerNode(disk.path), size: sizeBytes };
  await qmp.execute('block_resize', resize, { signal });
}
