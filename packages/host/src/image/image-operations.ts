/** image.build, image.import and image.delete. An image's files are made in a folder that nobody knows yet. */
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageBuild, ImageImport } from '@corral/api/schemas/image';
import { syncTree } from '@corral/disk/sync';
import { imageErrors } from '@corral/image/errors';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import type { DataDirectory } from '../data-directory.ts';
import { removeWhole } from '../storage/whole-files.ts';
import type { EmitEvent } from '../vm/vm-events.ts';
import type { VmRecords } from '../vm/vm-record.ts';
import { isBelow } from '../volume/placement.ts';
import type { FilesOfVm } from '../volume/usage.ts';
import type { Volumes } from '../volume/volumes.ts';
import type { ImageRecord, ImageRecords } from './image-record.ts';

type Made = Pick<ImageRecord, 'content' | 'sizeBytes' | 'sha256'>;
export type ReportBytes = (doneBytes: number, totalBytes: number | null, message: string) => void;

export interface ImageHost {
  readonly directory: DataDirectory;
  readonly records: ImageRecords;
  readonly vms: VmRecords;
  /** Every layer that a VM's disks, its checkpoints and its readers hold. */
  readonly filesOf: FilesOfVm;
  readonly emit: EmitEvent;
  readonly volumes: Volumes;
  /** Writes `vmlinuz` and `initrd` into the folder. */
  readonly buildMicro: (folder: string, signal: AbortSignal, report: ReportBytes) => Promise<Made>;
  /** Looks at the file first (invariant 5), then writes `disk.<format>` into the folder. */
  readonly importDisk: (
    path: string,
    format: ImageImport['format'],
    folder: string,
    signal: AbortSignal,
    report: ReportBytes,
  ) => Promise<Made>;
}

const Identity = z.strictObject({ id: z.string(), name: z.string() });
const BuildInput = Identity.extend({ build: ImageBuild });
const ImportInput = Identity.extend({ import: ImageImport });
type Target = z.infer<typeof Identity>;
type Results = { 'make-files': Made; register: null };

export const imageFolder = (directory: DataDirectory, id: string): string => join(directory.images, id);

function makeImage<Input extends Target>(
  host: ImageHost,
  kind: 'image.build' | 'image.import',
  input: (json: unknown) => Input,
  describe: (input: Input) => { title: string; profile: ImageRecord['profile']; source: string },
  make: (input: Input, folder: string, signal: AbortSignal, report: ReportBytes) => Promise<Made>,
) {
  return defineOperation<Input, Results>({
    kind,
    input,
    target: ({ id, name }) => [`image/${id}`, `image-name/${name}`],
    title: (given) => describe(given).title,
    cancellable: true,
    steps: [
      {
        name: 'make-files',
        run: async (context) => {
          const folder = imageFolder(host.directory, context.input.id);
          await rm(folder, { recursive: true, force: true });
          await mkdir(folder, { mode: 0o755 });
          const report: ReportBytes = (done, total, message) =>
            context.progress({ done, total, unit: 'bytes', message });
          const made = await make(context.input, folder, context.signal, report);
          await keepForGood(folder);
          return made;
        },
        undo: ({ input: { id } }) => removeWhole(imageFolder(host.directory, id)),
      },
      {
        name: 'register',
        pivot: true,
        run: async (context) => {
          const { id, name } = context.input;
          const { profile, source } = describe(context.input);
          const made = context.result('make-files');
          await host.records.create({
            id,
            name,
            createdAt: new Date().toISOString(),
            profile,
            source,
            ...made,
          });
          const subject = { kind: 'image', id, name } as const;
          if (kind === 'image.build') await host.emit('image.built', subject);
          else await host.emit('image.imported', subject, { path: source });
          return null;
        },
        undo: ({ input: { id } }) => host.records.delete(id),
      },
    ],
    output: ({ id }) => ({ imageId: id }),
  });
}

/** VMs of every user read it, nobody changes it: linked disks depend on each of its bytes. */
async function keepForGood(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await chmod(join(folder, name), 0o444);
  await syncTree(folder);
  await chmod(folder, 0o755);
}

export function imageOperations(host: ImageHost) {
  return {
    build: makeImage(
      host,
      'image.build',
      (json) => BuildInput.parse(json),
      ({ name, build }) => ({
        title: `Build image ${name}`,
        profile: 'micro',
        source: `recipe ${build.recipe}`,
      }),
      (_input, folder, signal, report) => host.buildMicro(folder, signal, report),
    ),
    import: makeImage(
      host,
      'image.import',
      (json) => ImportInput.parse(json),
      (input) => ({
        title: `Import image ${input.name}`,
        profile: input.import.profile,
        source: input.import.path,
      }),
      (input, folder, signal, report) =>
        host.importDisk(input.import.path, input.import.format, folder, signal, report),
    ),
    delete: imageDelete(host),
  };
}

function imageDelete(host: ImageHost) {
  return defineOperation<Target, { unregister: null; 'delete-files': null }>({
    kind: 'image.delete',
    input: (json) => Identity.parse(json),
    target: ({ id }) => [`image/${id}`],
    title: ({ name }) => `Delete image ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'unregister',
        pivot: true,
        run: async ({ input: { id, name } }) => {
          if (!(await host.records.find(id))) return null;
          await requireUnused(host, id, name);
          await host.records.delete(id);
          await host.emit('image.deleted', { kind: 'image', id, name });
          return null;
        },
      },
      {
        name: 'delete-files',
        run: async ({ input: { id } }) => {
          await removeWhole(imageFolder(host.directory, id));
          return null;
        },
      },
    ],
  });
}

/** @throws image.in-use */
export async function requireUnused(host: ImageHost, id: string, name: string): Promise<void> {
  const users = await usersOf(host, id);
  if (users.length > 0) throw imageErrors['in-use']({ image: name, vms: users.map((vm) => vm.name) });
}

/**
 * VMs whose disks lie on the image, or whose checkpoints do: their present may have come to stand elsewhere. Copies, of disks
 * and of kernels alike, do not need it.
 */
export async function usersOf(
  { directory, vms, filesOf }: Pick<ImageHost, 'directory' | 'vms' | 'filesOf'>,
  imageId: string,
): Promise<{ id: string; name: string }[]> {
  const folder = imageFolder(directory, imageId);
  const users: { id: string; name: string }[] = [];
  for (const vm of await vms.list()) {
    const { id, image, name } = vm.settings;
    const isLinked = image?.linked && image.id === imageId;
    if (isLinked || (await filesOf(vm)).some((path) => isBelow(folder, path))) users.push({ id, name });
  }
  return users;
}
