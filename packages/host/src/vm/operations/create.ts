/** vm.create: disks and settings are made first, the VM is seen by others when all is there. */
import { chmod, chown, mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { formatSize } from '@corral/core/units';
import { copyDiskFile } from '@corral/image/copy/copy-disk-file';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { withSealedLayers } from '../../chain/seal-layers.ts';
import { makeCheckpointFolder, writeCheckpointFile } from '../../checkpoint/checkpoint-files.ts';
import { checkpointKey } from '../../checkpoint/checkpoint-record.ts';
import { makeWhole, writeWhole } from '../../storage/whole-files.ts';
import { DiskMaking, type DiskWay, makeDisk, requireFile } from '../disk-files.ts';
import { type PlannedDisk, requireRoom } from '../disk-space.ts';
import { KeptCheckpoint, keptRecords } from '../plan-kept-chains.ts';
import { writeSettingsFile } from '../settings-file.ts';
import { subject } from '../vm-events.ts';
import { makeDiskFolder, makeVmFolder, removeVmFolders } from '../vm-folders.ts';
import type { VmHost } from '../vm-host.ts';
import { type QueueStartResult, queueStart } from './queue-start.ts';

/** A file that is copied into the VM's folder: kernel, initrd, firmware variables. */
const FileCopy = z.strictObject({ source: z.string(), target: z.string() });

const Input = z.strictObject({
  settings: VmSettings,
  /** By the name of the disk. */
  makings: z.record(z.string(), DiskMaking),
  copies: z.array(FileCopy),
  /** Folder of the VM on another volume; null where it is in the data directory. */
  home: z.string().nullable().default(null),
  /** Ids of the volumes on which something is made: none of them can be removed meanwhile. */
  volumes: z.array(z.string()).default([]),
  /** Content of the cloud-init seed, base64. */
  seed: z.string().nullable(),
  /** States of the files that its disks come from, oldest first. */
  checkpoints: z.array(KeptCheckpoint).default([]),
  start: z.boolean(),
  requestedBy: z.string(),
});
export type VmCreateInput = z.infer<typeof Input>;

/** How a disk came to its content. */
export interface DiskCopy {
  readonly disk: string;
  readonly way: DiskWay;
}

interface Results extends QueueStartResult {
  'reserve-user': { uid: number | null };
  'make-folder': null;
  'make-disks': { copies: DiskCopy[] };
  register: null;
}

export function vmCreate(host: VmHost) {
  return defineOperation<VmCreateInput, Results>({
    kind: 'vm.create',
    input: (json) => Input.parse(json),
    target: ({ settings, volumes }) => [
      `vm/${settings.id}`,
      `vm-name/${settings.name}`,
      ...volumes.map((id) => ({ shared: `volume/${id}` })),
      // Until the VM is there nothing else tells that it needs the image.
      ...(settings.image ? [{ shared: `image/${settings.image.id}` }] : []),
    ],
    title: ({ settings }) => `Create VM ${settings.name}`,
    cancellable: true,
    steps: [
      {
        name: 'reserve-user',
        run: async ({ input }) => ({
          uid:
            host.firstUid === null ? null : await host.records.reserveUid(input.settings.id, host.firstUid),
        }),
        undo: async ({ input, result }) => {
          const uid = result('reserve-user')?.uid ?? (await reservedUid(host, input.settings.id));
          if (uid !== null) await host.records.releaseUid(uid);
        },
      },
      {
        name: 'make-folder',
        run: async ({ input, result }) => {
          // Nobody deletes the image from here on; it may be gone already.
          for (const making of Object.values(input.makings)) {
            if (making.kind === 'linked') await requireFile(input.settings.name, 'image', making.base);
          }
          await requireRoom(host.volumes, `VM ${input.settings.name}`, plannedDisks(host, input));
          if (input.home !== null)
            await host.volumes.requireSpace(input.home, 0, `VM ${input.settings.name}`);
          await makeVmFolder(host, input.settings.id, result('reserve-user').uid, input.home);
          return null;
        },
        undo: ({ input }) => removeVmFolders(host, input.settings.id),
      },
      {
        name: 'make-disks',
        run: async ({ input, result, signal, progress }) => {
          const copies = await fillFolder(host, input, result('reserve-user').uid, signal, (done, message) =>
            progress({ done, total: input.settings.disks.length, unit: 'items', message }),
          );
          return { copies };
        },
      },
      {
        name: 'register',
        pivot: true,
        run: async ({ input, result }) => {
          const vm = await register(host, input, result('reserve-user').uid);
          await tellCopies(host, vm, result('make-disks').copies);
          return null;
        },
        undo: async ({ input }) => {
          await host.records.delete(input.settings.id);
          await host.chainRecords.forget(input.settings.id);
        },
      },
      queueStart(host),
    ],
    output: (input, results) => ({
      vmId: input.settings.id,
      startOperationId: results['queue-start'].operationId,
      copies: results['make-disks'].copies,
    }),
  });
}

/** After a crash within the step its result is unknown; what it reserved is not. */
async function reservedUid(host: VmHost, id: string): Promise<number | null> {
  return host.firstUid === null ? null : host.records.reserveUid(id, host.firstUid);
}

async function fillFolder(
  host: VmHost,
  input: VmCreateInput,
  uid: number | null,
  signal: AbortSignal,
  progress: (done: number, message: string) => void,
): Promise<DiskCopy[]> {
  const { settings } = input;
  const { folder } = host.directory.vm(settings.id);
  for (const { source, target } of input.copies) await copyInto(source, join(folder, target), uid);
  if (input.seed !== null && settings.seed !== null) {
    const path = join(folder, settings.seed);
    await writeWhole(path, Buffer.from(input.seed, 'base64'), 0o640);
    if (uid !== null) await chown(path, 0, uid);
  }
  const copies: DiskCopy[] = [];
  for (const [index, disk] of settings.disks.entries()) {
    progress(index, `disk ${disk.name}`);
    const path = host.directory.resolveInVm(settings.id, disk.path);
    if (!disk.passThrough) await makeDiskFolder(disk.path, uid);
    const way = await makeDisk(disk, path, input.makings[disk.name]!, {
      uid,
      signal,
      onProgress: ({ doneBytes, totalBytes }, file) => {
        const what = file === undefined ? `disk ${disk.name}` : `disk ${disk.name}, ${file}`;
        progress(index, `${what}: ${formatSize(doneBytes)} of ${formatSize(totalBytes)}`);
      },
    });
    if (way !== null) copies.push({ disk: disk.name, way });
  }
  return copies;
}

/** Files first: the records are what makes them count, all in one transaction. */
async function register(
  host: VmHost,
  input: VmCreateInput,
  uid: number | null,
): Promise<ReturnType<typeof subject>> {
  const { id } = input.settings;
  // The layers of an image have its seal.
  const settings =
    input.checkpoints.length > 0
      ? await withSealedLayers(host.directory, id, input.settings)
      : input.settings;
  const checkpoints = keptRecords(settings, input.makings, input.checkpoints);
  const checkpointId = checkpoints.at(-1)?.id ?? null;
  for (const checkpoint of checkpoints) {
    await makeCheckpointFolder(host.directory, id, checkpoint.id);
    await writeCheckpointFile(host.directory, checkpoint, checkpoint.id === checkpointId);
  }
  await writeSettingsFile(host.directory.vm(id).settings, settings);
  const record = { settings, uid, process: null, saved: null, checkpointId };
  await host.records.create(
    record,
    checkpoints.map((each) => ({ put: checkpointKey(id, each.id), value: JSON.stringify(each) })),
  );
  await host.emit('vm.created', subject(record));
  for (const { name: checkpoint, type, consistency, reason } of checkpoints) {
    await host.emit('checkpoint.created', subject(record), { checkpoint, type, consistency, reason });
  }
  return subject(record);
}

/** With the makings, for the reserve of the volumes. */
export function plannedDisks(
  host: Pick<VmHost, 'directory'>,
  { settings, makings, home }: Pick<VmCreateInput, 'settings' | 'makings' | 'home'>,
): PlannedDisk[] {
  const folder = home ?? host.directory.vm(settings.id).folder;
  return settings.disks.map((disk) => ({
    disk,
    path: resolve(folder, disk.path),
    making: makings[disk.name]!,
  }));
}

/** Which way the copies of disks went: a reflink takes no space and no time, the others do. */
export async function tellCopies(
  host: VmHost,
  vm: ReturnType<typeof subject>,
  copies: readonly DiskCopy[],
): Promise<void> {
  if (copies.length === 0) return;
  await host.emit('vm.disks-copied', vm, { copies: copies.map(({ disk, way }) => `${disk}: ${way}`) });
}

async function copyInto(source: string, target: string, uid: number | null): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await makeWhole(target, async (part) => {
    await copyDiskFile(source, part);
    await chmod(part, 0o640);
    if (uid !== null) await chown(part, 0, uid);
  });
}
