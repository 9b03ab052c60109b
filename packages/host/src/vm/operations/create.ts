/** vm.create: disks and settings are made first, the VM is seen by others when all is there. */
import { chmod, chown, constants, copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { DiskMaking, makeDisk } from '../disk-files.ts';
import { writeSettingsFile } from '../settings-file.ts';
import type { VmHost } from '../vm-host.ts';
import { subject } from '../vm-supervisor.ts';

/** A file that is copied into the VM's folder: kernel, initrd, firmware variables. */
const FileCopy = z.strictObject({ source: z.string(), target: z.string() });

const Input = z.strictObject({
  settings: VmSettings,
  /** By the name of the disk. */
  makings: z.record(z.string(), DiskMaking),
  copies: z.array(FileCopy),
  /** Content of the cloud-init seed, base64. */
  seed: z.string().nullable(),
  start: z.boolean(),
  requestedBy: z.string(),
});
export type VmCreateInput = z.infer<typeof Input>;

interface Results {
  'reserve-user': { uid: number | null };
  'make-folder': null;
  'make-disks': null;
  register: null;
  'queue-start': { operationId: string | null };
}

export function vmCreate(host: VmHost) {
  return defineOperation<VmCreateInput, Results>({
    kind: 'vm.create',
    input: (json) => Input.parse(json),
    target: ({ settings }) => [`vm/${settings.id}`, `vm-name/${settings.name}`],
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
          await makeFolder(host, input.settings.id, result('reserve-user').uid);
          return null;
        },
        undo: ({ input }) =>
          rm(host.directory.vm(input.settings.id).folder, { recursive: true, force: true }),
      },
      {
        name: 'make-disks',
        run: async ({ input, result, signal, progress }) => {
          await fillFolder(host, input, result('reserve-user').uid, signal, (done, message) =>
            progress({ done, total: input.settings.disks.length, unit: 'items', message }),
          );
          return null;
        },
      },
      {
        name: 'register',
        pivot: true,
        run: async ({ input, result }) => {
          const record = {
            settings: input.settings,
            uid: result('reserve-user').uid,
            process: null,
            saved: null,
            checkpointId: null,
          };
          await writeSettingsFile(host.directory.vm(input.settings.id).settings, input.settings);
          await host.records.create(record);
          await host.emit('vm.created', subject(record));
          return null;
        },
        undo: ({ input }) => host.records.delete(input.settings.id),
      },
      {
        name: 'queue-start',
        run: async ({ input, operationId }) => ({
          operationId: input.start
            ? await host.queueStart(
                { id: input.settings.id, name: input.settings.name },
                operationId,
                input.requestedBy,
              )
            : null,
        }),
      },
    ],
    output: (input, results) => ({
      vmId: input.settings.id,
      startOperationId: results['queue-start'].operationId,
    }),
  });
}

/** After a crash within the step its result is unknown; what it reserved is not. */
async function reservedUid(host: VmHost, id: string): Promise<number | null> {
  return host.firstUid === null ? null : host.records.reserveUid(id, host.firstUid);
}

/** Root's, with the VM's group: its QEMU finds its files and can put none there. */
export async function makeFolder(host: VmHost, id: string, uid: number | null): Promise<void> {
  const paths = host.directory.vm(id);
  for (const folder of [paths.folder, paths.disks, paths.boot]) {
    await mkdir(folder, { recursive: true, mode: 0o750 });
    await chmod(folder, 0o750);
    if (uid !== null) await chown(folder, 0, uid);
  }
  await mkdir(paths.log, { recursive: true, mode: 0o700 });
}

async function fillFolder(
  host: VmHost,
  input: VmCreateInput,
  uid: number | null,
  signal: AbortSignal,
  progress: (done: number, message: string) => void,
): Promise<void> {
  const { settings } = input;
  const { folder } = host.directory.vm(settings.id);
  for (const { source, target } of input.copies) await copyInto(source, join(folder, target), uid);
  if (input.seed !== null && settings.seed !== null) {
    const path = join(folder, settings.seed);
    await writeFile(path, Buffer.from(input.seed, 'base64'), { mode: 0o640 });
    if (uid !== null) await chown(path, 0, uid);
  }
  for (const [index, disk] of settings.disks.entries()) {
    progress(index, `disk ${disk.name}`);
    const path = host.directory.resolveInVm(settings.id, disk.path);
    await makeDisk(disk, path, input.makings[disk.name]!, { uid, signal });
  }
}

async function copyInto(source: string, target: string, uid: number | null): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await copyFile(source, target, constants.COPYFILE_FICLONE);
  await chmod(target, 0o640);
  if (uid !== null) await chown(target, 0, uid);
}
