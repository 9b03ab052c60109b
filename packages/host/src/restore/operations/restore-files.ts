/**
 * restore.files: disks of a backup into a directory of the host, in any format, with the settings beside them: as
 * qcow2 or raw it is a folder that `vm register` takes up.
 */
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { isCorralError } from '@corral/core/errors';
import { newId } from '@corral/core/ids';
import { defineOperation, type StepContext } from '@corral/operation/operation';
import { z } from 'zod';
import { connectionTarget } from '../../repository/repository-host.ts';
import { removeWhole } from '../../storage/whole-files.ts';
import { exists } from '../../vm/disk-files.ts';
import { writeSettingsFile } from '../../vm/settings-file.ts';
import { restoreErrors } from '../errors.ts';
import { writeMachineFiles } from '../machine-folder.ts';
import { newVmSettings } from '../plan-restore.ts';
import { savedSettings } from '../point-machine.ts';
import { type OpenSource, type RestoreHost, RestoreSource, withSource } from '../restore-host.ts';
import { writeRestoredDisk } from '../restored-disk.ts';

const Input = z.strictObject({
  source: RestoreSource,
  /** Absolute. */
  directory: z.string(),
  format: z.enum(['qcow2', 'raw', 'vhd', 'vhdx']),
  disks: z.array(z.string()),
  /** With the settings and what else is beside the disks. */
  whole: z.boolean(),
});
export type RestoreFilesInput = z.infer<typeof Input>;

interface Results {
  check: { made: boolean };
  'make-folder': null;
  'write-disks': { paths: string[]; writtenBytes: number };
  publish: null;
}

export function restoreFiles(restores: RestoreHost) {
  return defineOperation<RestoreFilesInput, Results>({
    kind: 'restore.files',
    input: (json) => Input.parse(json),
    target: ({ directory, source }) => [`directory${directory}`, connectionTarget(source.repositoryId)],
    title: ({ directory, source }) => `Restore backup ${source.pointName} to ${directory}`,
    cancellable: true,
    steps: [
      {
        name: 'check',
        run: async ({ input }) => {
          for (const path of pathsOf(input)) if (await exists(path)) throw restoreErrors.exists({ path });
          return { made: !(await exists(input.directory)) };
        },
      },
      {
        name: 'make-folder',
        run: async ({ input }) => {
          await mkdir(join(input.directory, 'disks'), { recursive: true, mode: 0o700 });
          return null;
        },
        undo: async ({ input, result }) => {
          const check = result('check');
          // Before the check nothing was made, and what is there is somebody's.
          if (!check) return;
          for (const path of pathsOf(input)) await removeWhole(path);
          for (const folder of [join(input.directory, 'disks'), ...(check.made ? [input.directory] : [])])
            await rmdir(folder).catch(onlyIfEmpty);
        },
      },
      { name: 'write-disks', run: (context) => writeDisks(restores, context) },
      {
        name: 'publish',
        pivot: true,
        run: async ({ input, signal }) => {
          if (input.whole)
            await withSource(restores, input.source, signal, (open) => writeRest(open, input, signal));
          return null;
        },
        undo: async () => undefined,
      },
    ],
    output: ({ directory, source }, results) => ({
      pointId: source.pointId,
      directory,
      paths: results['write-disks'].paths,
      writtenBytes: results['write-disks'].writtenBytes,
    }),
  });
}

const diskPath = ({ directory, format }: RestoreFilesInput, disk: string): string =>
  join(directory, 'disks', `${disk}.${format}`);

function pathsOf(input: RestoreFilesInput): string[] {
  const disks = input.disks.map((disk) => diskPath(input, disk));
  const beside = ['vm.json', 'firmware-variables.fd', 'tpm', 'boot'].map((name) =>
    join(input.directory, name),
  );
  return input.whole ? [...disks, ...beside] : disks;
}

function onlyIfEmpty(cause: NodeJS.ErrnoException): void {
  if (cause.code !== 'ENOENT' && cause.code !== 'ENOTEMPTY') throw cause;
}

async function writeDisks(
  restores: RestoreHost,
  { input, progress, signal }: StepContext<RestoreFilesInput, Results>,
): Promise<Results['write-disks']> {
  const { disks, directory, format, source } = input;
  const { volumes } = restores.host;
  return await withSource(restores, source, signal, async (open) => {
    let total = 0;
    for (const name of disks) total += await open.held.disk(name).dataBytes(signal);
    await volumes.requireSpace(directory, total, `Restoring backup ${source.pointName}`);
    let before = 0;
    const paths: string[] = [];
    for (const name of disks) {
      const path = diskPath(input, name);
      let written = 0;
      const onProgress = (bytes: number): void => {
        written = bytes;
        progress({ done: before + bytes, total, unit: 'bytes', message: `disk ${name}` });
      };
      await writeRestoredDisk(open, { name, path, format }, { uid: null, signal, onProgress });
      before += written;
      paths.push(path);
    }
    return { paths, writtenBytes: before };
  });
}

async function writeRest({ held }: OpenSource, input: RestoreFilesInput, signal: AbortSignal): Promise<void> {
  const { directory, format } = input;
  await writeMachineFiles(held, directory, null, signal);
  // Another format is for another hypervisor: the settings would name files that Corral's VMs cannot use.
  if (format !== 'qcow2' && format !== 'raw') return;
  const settings = await savedSettings(held, signal).catch((cause: unknown) => {
    // The disks are worth having without them.
    if (isCorralError(cause, 'restore.no-settings')) return null;
    throw cause;
  });
  if (settings)
    await writeSettingsFile(join(directory, 'vm.json'), inFolder(settings, held.point.disks, format));
}

function inFolder(
  saved: VmSettings,
  disks: Parameters<typeof newVmSettings>[1],
  format: 'qcow2' | 'raw',
): VmSettings {
  const wish = { name: saved.name, newId: false };
  const facts = { newId, newMac: () => '', now: saved.createdAt };
  const settings = newVmSettings(saved, disks, wish, facts);
  return {
    ...settings,
    disks: settings.disks.map((disk) => ({ ...disk, format, path: `disks/${disk.name}.${format}` })),
  };
}
