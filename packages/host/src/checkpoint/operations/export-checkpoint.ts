/**
 * checkpoint.export: a whole VM in a folder (docs/formats/checkpoint.md, "An export"). A pin keeps the files still while
 * they are read; the VM does what it wants meanwhile.
 */
import { constants, copyFile, cp, mkdir, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { derivedId } from '@corral/core/ids';
import { syncTree } from '@corral/disk/sync';
import { defineOperation, type StepContext } from '@corral/operation/operation';
import { z } from 'zod';
import { chainOf } from '../../chain/chain.ts';
import { checkpointErrors } from '../../errors.ts';
import { type ExportFile, ExportFormat, exportFileName } from '../../registration/export-file.ts';
import { removeWhole, writeWhole } from '../../storage/whole-files.ts';
import { releasePin } from '../../tracking/release-pin.ts';
import { exists } from '../../vm/disk-files.ts';
import { writeSettingsFile } from '../../vm/settings-file.ts';
import { subject } from '../../vm/vm-events.ts';
import type { VmHost } from '../../vm/vm-host.ts';
import { checkpointPaths } from '../checkpoint-files.ts';
import type { CheckpointRecord } from '../checkpoint-record.ts';
import { findCheckpoint } from '../checkpoint-tree.ts';
import { type ExportedDisk, exportChain, exportFlat } from '../export-disks.ts';
import { requireSoundLayers } from '../sound-layers.ts';

const Input = z.strictObject({
  vmId: z.string(),
  vmName: z.string(),
  id: z.string(),
  name: z.string(),
  directory: z.string(),
  flatten: z.boolean(),
  format: ExportFormat.nullable(),
});
export type CheckpointExportInput = z.infer<typeof Input>;

interface Results {
  pin: { checkpoint: CheckpointRecord };
  'make-folder': null;
  'copy-disks': { disks: ExportedDisk[] };
  'copy-files': null;
  publish: null;
  unpin: null;
}

export function checkpointExport(host: VmHost) {
  return defineOperation<CheckpointExportInput, Results>({
    kind: 'checkpoint.export',
    input: (json) => Input.parse(json),
    target: ({ id, directory }) => [`checkpoint/${id}`, `directory${directory}`],
    title: ({ directory, name, vmName }) => `Export checkpoint ${name} of VM ${vmName} to ${directory}`,
    cancellable: true,
    steps: [
      {
        name: 'pin',
        run: async ({ input, operationId }) => {
          await requireEmpty(input.directory);
          return { checkpoint: await pin(host, input, operationId) };
        },
        undo: ({ input, operationId, signal }) => unpin(host, input.vmId, operationId, signal),
      },
      {
        name: 'make-folder',
        run: async ({ input: { directory } }) => {
          for (const folder of [directory, join(directory, 'disks'), join(directory, 'boot')]) {
            await mkdir(folder, { recursive: true, mode: 0o700 });
          }
          return null;
        },
        undo: ({ input }) => removeWhole(input.directory),
      },
      {
        name: 'copy-disks',
        run: async (context) => ({ disks: await exportDisks(host, context) }),
      },
      {
        name: 'copy-files',
        run: async ({ input, result }) => {
          await exportFiles(host, input, result('pin').checkpoint);
          return null;
        },
      },
      {
        name: 'publish',
        pivot: true,
        run: async ({ input, result }) => {
          await publish(input, result('pin').checkpoint, result('copy-disks').disks);
          return null;
        },
        undo: ({ input }) => removeWhole(join(input.directory, exportFileName)),
      },
      {
        name: 'unpin',
        run: async ({ input, operationId, signal }) => {
          await unpin(host, input.vmId, operationId, signal);
          const record = await host.records.find(input.vmId);
          const data = { checkpoint: input.name, path: input.directory };
          if (record) await host.emit('checkpoint.exported', subject(record), data);
          return null;
        },
      },
    ],
    output: ({ vmId, id, directory }) => ({ vmId, checkpointId: id, directory }),
  });
}

/** @throws checkpoint.export-exists */
async function requireEmpty(path: string): Promise<void> {
  if (!(await exists(path))) return;
  if ((await readdir(path)).length > 0) throw checkpointErrors['export-exists']({ path });
}

const pinId = (operationId: string): string => derivedId(`pin of ${operationId}`);

async function pin(
  host: VmHost,
  input: CheckpointExportInput,
  operationId: string,
): Promise<CheckpointRecord> {
  await host.chainRecords.change(input.vmId, (current) => {
    const { settings, seals } = findCheckpoint(current.checkpoints, input.vmName, input.id);
    const id = pinId(operationId);
    if (current.pins.some((each) => each.id === id)) return current;
    const disks = settings.disks.map((disk) => ({
      diskId: disk.id,
      name: disk.name,
      sizeBytes: disk.sizeBytes,
      chain: chainOf(disk, seals[disk.id] ?? null),
    }));
    const made = {
      id,
      vmId: input.vmId,
      reason: `export of checkpoint "${input.name}" to ${input.directory}`,
      createdAt: new Date().toISOString(),
      operationId,
      expiresAt: null,
      disks,
      doomed: [],
    };
    return { ...current, pins: [...current.pins, made] };
  });
  // A merge that was under way when the pin came must have let go of the files.
  await using _still = await host.chains.pause(input.vmId);
  await requireSoundLayers(host, input.vmId, input.id);
  const { checkpoints } = await host.chainRecords.read(input.vmId);
  return findCheckpoint(checkpoints, input.vmName, input.id);
}

async function unpin(host: VmHost, vmId: string, operationId: string, signal: AbortSignal): Promise<void> {
  if (await host.records.find(vmId)) await releasePin(host, vmId, pinId(operationId), signal);
}

async function exportDisks(
  host: VmHost,
  { input, progress, result, signal }: StepContext<CheckpointExportInput, Results>,
): Promise<ExportedDisk[]> {
  const { settings, seals } = result('pin').checkpoint;
  const exported: ExportedDisk[] = [];
  for (const disk of settings.disks) {
    const source = { vmId: input.vmId, disk, chain: chainOf(disk, seals[disk.id] ?? null) };
    const flat = input.flatten || (input.format !== null && input.format !== disk.format);
    const options = {
      folder: input.directory,
      signal,
      progress: (done: number, total: number) =>
        progress({ done, total, unit: flat ? 'bytes' : 'items', message: `disk ${disk.name}` }),
    };
    exported.push(
      flat
        ? await exportFlat(host.directory, source, input.format ?? disk.format, options)
        : await exportChain(host.directory, source, options),
    );
  }
  return exported;
}

/** Memory, UEFI variables, TPM, and what the VM boots from. */
async function exportFiles(
  host: VmHost,
  input: CheckpointExportInput,
  checkpoint: CheckpointRecord,
): Promise<void> {
  const { directory } = input;
  const from = checkpointPaths(host.directory, input.vmId, input.id);
  if (checkpoint.memory) await copy(from.memory, join(directory, 'saved-memory'));
  await copyIfThere(from.firmwareVariables, join(directory, 'firmware-variables.fd'));
  if (await exists(from.tpm))
    await cp(from.tpm, join(directory, 'tpm'), { recursive: true, preserveTimestamps: true });
  for (const path of bootFiles(checkpoint.settings)) {
    await copyIfThere(host.directory.resolveInVm(input.vmId, path), join(directory, 'boot', basename(path)));
  }
}

function bootFiles({ kernel, seed }: CheckpointRecord['settings']): string[] {
  return [kernel?.kernel, kernel?.initrd, seed].filter((path) => path !== null && path !== undefined);
}

async function copyIfThere(from: string, to: string): Promise<void> {
  if (await exists(from)) await copy(from, to);
}

function copy(from: string, to: string): Promise<void> {
  return copyFile(from, to, constants.COPYFILE_FICLONE);
}

async function publish(
  { directory, name }: CheckpointExportInput,
  checkpoint: CheckpointRecord,
  exported: readonly ExportedDisk[],
): Promise<void> {
  const inside = (vm: CheckpointRecord['settings']): CheckpointRecord['settings'] => ({
    ...vm,
    disks: vm.disks.map((disk) => exported.find((each) => each.disk.id === disk.id)?.disk ?? disk),
    kernel: vm.kernel && {
      ...vm.kernel,
      kernel: `boot/${basename(vm.kernel.kernel)}`,
      initrd: vm.kernel.initrd && `boot/${basename(vm.kernel.initrd)}`,
    },
    seed: vm.seed && `boot/${basename(vm.seed)}`,
    image: vm.image && { ...vm.image, linked: false },
  });
  const memory = checkpoint.memory && { ...checkpoint.memory, applied: inside(checkpoint.memory.applied) };
  const file: ExportFile = {
    format: 'corral-export/1',
    exportedAt: new Date().toISOString(),
    vm: checkpoint.settings.name,
    checkpoint: name,
    state: memory ? 'saved' : 'off',
    memory,
    disks: exported.map(({ disk, format, path }) => ({
      name: disk.name,
      format,
      path,
      sizeBytes: disk.sizeBytes,
      parents: disk.parents.map((layer) => layer.path),
    })),
    since: null,
  };
  await writeSettingsFile(join(directory, 'vm.json'), inside(checkpoint.settings));
  await syncTree(directory);
  await writeWhole(join(directory, exportFileName), `${JSON.stringify(file, null, 2)}\n`, 0o600);
}
