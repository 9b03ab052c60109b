/** vm.disk-add and vm.disk-remove, of a VM that runs or does not. */
import { type DiskLayer, DiskSettings } from '@corral/api/schemas/vm-settings';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { type Chain, chainOf } from '../../chain/chain.ts';
import { layerFile, layerFiles } from '../../chain/layer-file.ts';
import { deleteUnheld } from '../../checkpoint/layer-files.ts';
import { vmErrors } from '../../errors.ts';
import { grantDevice, takeBackDevice } from '../../storage/grant-device.ts';
import { DiskMaking, makeDisk } from '../disk-files.ts';
import { requireRoom } from '../disk-space.ts';
import { requireFreePlace } from '../free-disk-path.ts';
import { plugDisk, unplugDisk } from '../hot-plug.ts';
import { subject } from '../vm-events.ts';
import { makeDiskFolder, pruneDiskFolder } from '../vm-folders.ts';
import { monitorOf, requireLegal, rewriteSettingsFile, type VmHost } from '../vm-host.ts';
import type { VmRecord } from '../vm-record.ts';
import { withChangedSettings } from './change-settings.ts';
import { type DiskCopy, tellCopies } from './create.ts';

const AddInput = z.strictObject({
  id: z.string(),
  name: z.string(),
  disk: DiskSettings,
  making: DiskMaking,
  /** As of vm.create. */
  volumes: z.array(z.string()).default([]),
});
export type DiskAddInput = z.infer<typeof AddInput>;

interface AddResults {
  'make-file': { copies: DiskCopy[] };
  plug: null;
  store: null;
  'write-file': null;
}

export function vmDiskAdd(host: VmHost) {
  return defineOperation<DiskAddInput, AddResults>({
    kind: 'vm.disk-add',
    input: (json) => AddInput.parse(json),
    target: ({ id, volumes }) => [`vm/${id}`, ...volumes.map((volume) => ({ shared: `volume/${volume}` }))],
    title: ({ name, disk }) => `Add disk ${disk.name} to VM ${name}`,
    cancellable: true,
    // A guest may refuse to let go of a device that it has: going on is always possible.
    afterCrash: 'resume',
    steps: [
      {
        name: 'make-file',
        run: async ({ input, signal, progress }) => {
          const record = await host.records.get(input.id);
          requireLegal(host, record, 'disk-add');
          requirePluggable(record, input.disk);
          requireFreePlace(await host.chainRecords.read(input.id), input.disk);
          const path = host.directory.resolveInVm(input.id, input.disk.path);
          await requireRoom(host.volumes, `Disk ${input.disk.name}`, [{ ...input, path }]);
          if (!input.disk.passThrough) await makeDiskFolder(input.disk.path, record.uid);
          const way = await makeDisk(input.disk, path, input.making, {
            uid: record.uid,
            signal,
            onProgress: ({ doneBytes, totalBytes }) =>
              progress({ done: doneBytes, total: totalBytes, unit: 'bytes', message: input.disk.name }),
          });
          return { copies: way === null ? [] : [{ disk: input.disk.name, way }] };
        },
        undo: async ({ input }) => {
          // With the VM its files went.
          if (input.disk.passThrough || !(await host.records.find(input.id))) return;
          await deleteLayers(host, input.id, chainOf(input.disk).slice(0, 1));
        },
      },
      {
        name: 'plug',
        run: async ({ input, signal }) => {
          const record = await host.records.get(input.id);
          if (!record.process) return null;
          const { disk, id } = input;
          if (disk.passThrough && record.uid !== null) {
            await grantDevice(record.settings.name, disk.name, disk.path, record.uid);
          }
          const file = await layerFile(host.directory, id, disk.path);
          const below = await layerFiles(host.directory, id, disk.parents);
          await plugDisk(await monitorOf(host, id, signal), disk, file, below, signal);
          return null;
        },
        undo: async ({ input, signal }) => {
          const record = await host.records.get(input.id);
          if (!record.process) return;
          await unplugDisk(await monitorOf(host, input.id, signal), record.settings, input.disk, signal);
          await letGoOfDevice(record, input.disk);
        },
      },
      {
        name: 'store',
        pivot: true,
        run: async ({ input }) => {
          await host.records.update(input.id, (record) =>
            withChangedSettings(record, (vm) => ({
              disks: [...vm.disks.filter(({ id }) => id !== input.disk.id), input.disk],
            })),
          );
          return null;
        },
      },
      {
        name: 'write-file',
        run: async ({ input, result }) => {
          await rewriteSettingsFile(host, input.id);
          await host.emit('vm.disk-added', subject(await host.records.get(input.id)), {
            disk: input.disk.name,
          });
          await tellCopies(host, subject(await host.records.get(input.id)), result('make-file').copies);
          return null;
        },
      },
    ],
    output: ({ id }, results) => ({ vmId: id, copies: results['make-file'].copies }),
  });
}

async function letGoOfDevice({ uid }: VmRecord, { passThrough, path }: DiskSettings): Promise<void> {
  if (passThrough && uid !== null) await takeBackDevice(path, uid);
}

/** @throws vm.cannot-hotplug */
function requirePluggable(record: VmRecord, disk: DiskSettings): void {
  if (!record.process || disk.bus === 'virtio') return;
  throw vmErrors['cannot-hotplug']({
    vm: record.settings.name,
    thing: `disk "${disk.name}"`,
    reason: 'its SATA controller takes no disk while the machine runs',
  });
}

const RemoveInput = z.strictObject({
  id: z.string(),
  name: z.string(),
  disk: DiskSettings,
  keepFile: z.boolean(),
});
export type DiskRemoveInput = z.infer<typeof RemoveInput>;

interface RemoveResults {
  unplug: null;
  store: { chain: DiskLayer[] };
  'delete-file': null;
}

export function vmDiskRemove(host: VmHost) {
  return defineOperation<DiskRemoveInput, RemoveResults>({
    kind: 'vm.disk-remove',
    input: (json) => RemoveInput.parse(json),
    target: ({ id }) => [`vm/${id}`],
    title: ({ name, disk }) => `Remove disk ${disk.name} from VM ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'unplug',
        run: async ({ input, signal }) => {
          const record = await host.records.get(input.id);
          requireLegal(host, record, 'disk-remove');
          if (!record.process) return null;
          requirePluggable(record, input.disk);
          // The job of a merge holds nodes that have to go.
          await using _files = await host.chains.pause(input.id);
          // Of the chain that QEMU has now: layers may have come and gone since this was asked for.
          const { process, settings } = await host.records.get(input.id);
          const disk = process?.applied.disks.find(({ id }) => id === input.disk.id);
          if (disk) await unplugDisk(await monitorOf(host, input.id, signal), settings, disk, signal);
          await letGoOfDevice(record, input.disk);
          return null;
        },
      },
      {
        name: 'store',
        pivot: true,
        run: async ({ input }) => {
          let chain = chainOf(input.disk);
          await host.records.update(input.id, (record) => {
            const present = record.settings.disks.find(({ id }) => id === input.disk.id);
            if (present) chain = chainOf(present);
            return withChangedSettings(record, (vm) => ({
              disks: vm.disks.filter(({ id }) => id !== input.disk.id),
              bootOrder: vm.bootOrder.filter((device) => device !== `disk:${input.disk.name}`),
            }));
          });
          return { chain };
        },
      },
      {
        name: 'delete-file',
        run: async ({ input, result }) => {
          await rewriteSettingsFile(host, input.id);
          if (!input.keepFile && !input.disk.passThrough) {
            await deleteLayers(host, input.id, result('store').chain);
          }
          await host.emit('vm.disk-removed', subject(await host.records.get(input.id)), {
            disk: input.disk.name,
          });
          return null;
        },
      },
    ],
    output: ({ id }) => ({ vmId: id }),
  });
}

/** What checkpoints and pins still need of the chain stays. Repeatable. */
async function deleteLayers(host: VmHost, id: string, chain: Chain): Promise<void> {
  const paths = chain.filter(({ shared }) => !shared).map(({ path }) => path);
  for (const path of await deleteUnheld(host, id, paths)) await pruneDiskFolder(path);
}
