/** vm.register: a VM comes back from its files, in place or as a copy. Nobody sees it before all is there. */
import { rm } from 'node:fs/promises';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { sealOf } from '../chain/seal.ts';
import { withSealedLayers } from '../chain/seal-layers.ts';
import { rewriteCheckpointFiles } from '../checkpoint/checkpoint-files.ts';
import { CheckpointRecord } from '../checkpoint/checkpoint-record.ts';
import { removeWhole } from '../storage/whole-files.ts';
import { subject } from '../vm/vm-events.ts';
import { makeVmFolder, removeVmFolders } from '../vm/vm-folders.ts';
import { rewriteSettingsFile, type VmHost } from '../vm/vm-host.ts';
import { SavedMemory } from '../vm/vm-record.ts';
import { ExportFormat } from './export-file.ts';
import { convertDisks, copyVmFiles, giveToUser, removeExportParts } from './take-files.ts';

const Input = z.strictObject({
  directory: z.string(),
  copy: z.boolean(),
  /** Exports that continue it: their files are copied over it. */
  differentials: z.array(z.string()).default([]),
  /** The folder is where this host has the VM's folder: nothing is linked or copied, nothing taken back. */
  atHome: z.boolean(),
  settings: VmSettings,
  checkpoints: z.array(CheckpointRecord),
  checkpointId: z.string().nullable(),
  saved: SavedMemory.nullable(),
  toConvert: z.array(
    z.strictObject({ disk: z.string(), from: z.string(), format: ExportFormat, to: z.string() }),
  ),
});
export type VmRegisterInput = z.infer<typeof Input>;

interface Results {
  'reserve-user': { uid: number | null };
  'take-files': null;
  'convert-disks': null;
  register: null;
  'write-files': null;
}

export function vmRegister(host: VmHost) {
  return defineOperation<VmRegisterInput, Results>({
    kind: 'vm.register',
    input: (json) => Input.parse(json),
    target: ({ settings, directory }) => [
      `vm/${settings.id}`,
      `vm-name/${settings.name}`,
      `directory${directory}`,
    ],
    title: ({ directory, settings }) => `Register VM ${settings.name} from ${directory}`,
    cancellable: true,
    steps: [
      {
        name: 'reserve-user',
        run: async ({ input }) => ({ uid: await reserveUser(host, input.settings.id) }),
        undo: async ({ input }) => {
          const uid = await reserveUser(host, input.settings.id);
          if (uid !== null) await host.records.releaseUid(uid);
        },
      },
      {
        name: 'take-files',
        run: async ({ input, progress, result, signal }) => {
          const { uid } = result('reserve-user');
          const report = (file: string): void =>
            progress({ done: 0, total: null, unit: 'items', message: file });
          await takeFiles(host, input, uid, signal, report);
          return null;
        },
        undo: ({ input }) => leaveFiles(host, input),
      },
      {
        name: 'convert-disks',
        run: async ({ input, result, signal }) => {
          const { uid } = result('reserve-user');
          await convertDisks(host, input.settings, input.toConvert, uid, signal);
          await giveToUser(host, [input.settings, ...input.checkpoints.map(({ settings }) => settings)], uid);
          return null;
        },
        undo: async ({ input }) => {
          // In place the files that were made for it go; a copy goes as a whole.
          for (const { to } of input.toConvert) {
            await removeWhole(host.directory.resolveInVm(input.settings.id, to));
          }
        },
      },
      {
        name: 'register',
        pivot: true,
        run: async ({ input, result }) => {
          await register(host, input, result('reserve-user').uid);
          return null;
        },
        undo: async ({ input }) => {
          await host.chainRecords.forget(input.settings.id);
          await host.records.delete(input.settings.id);
        },
      },
      {
        name: 'write-files',
        run: async ({ input }) => {
          const { id } = input.settings;
          await rewriteSettingsFile(host, id);
          await rewriteCheckpointFiles(host, id);
          await removeExportParts(host.directory.vm(id).folder, input.toConvert);
          const record = await host.records.get(id);
          await host.emit('vm.registered', subject(record), { path: input.directory });
          host.chains.look(id);
          return null;
        },
      },
    ],
    output: ({ settings }) => ({ vmId: settings.id }),
  });
}

async function reserveUser(host: VmHost, id: string): Promise<number | null> {
  return host.firstUid === null ? null : host.records.reserveUid(id, host.firstUid);
}

async function takeFiles(
  host: VmHost,
  { atHome, copy, differentials, directory, settings }: VmRegisterInput,
  uid: number | null,
  signal: AbortSignal,
  progress: (file: string) => void,
): Promise<void> {
  const inPlace = !copy && !atHome;
  await makeVmFolder(host, settings.id, uid, inPlace ? directory : null);
  if (!copy) return;
  for (const from of [directory, ...differentials]) {
    await copyVmFiles(from, host.directory.vm(settings.id).folder, signal, progress);
  }
}

/** What lay there before stays there. */
async function leaveFiles(host: VmHost, { atHome, copy, settings }: VmRegisterInput): Promise<void> {
  if (copy) return removeVmFolders(host, settings.id);
  // Of a link only the link itself goes.
  if (!atHome) await rm(host.directory.vm(settings.id).folder, { force: true });
}

async function register(host: VmHost, input: VmRegisterInput, uid: number | null): Promise<void> {
  const { id } = input.settings;
  const settings = await withSealedLayers(host.directory, id, input.settings);
  const saved = input.saved && {
    ...input.saved,
    applied: await withSealedLayers(host.directory, id, input.saved.applied),
  };
  const checkpoints: CheckpointRecord[] = [];
  for (const checkpoint of input.checkpoints) checkpoints.push(await sealedCheckpoint(host, id, checkpoint));
  await host.records.create({ settings, uid, process: null, saved, checkpointId: input.checkpointId });
  await host.chainRecords.change(id, (state) => ({ ...state, checkpoints }));
}

/** A copy has other times of modification. */
async function sealedCheckpoint(
  host: VmHost,
  id: string,
  checkpoint: CheckpointRecord,
): Promise<CheckpointRecord> {
  const seals: CheckpointRecord['seals'] = {};
  for (const disk of checkpoint.settings.disks) {
    seals[disk.id] = await sealOf(host.directory.resolveInVm(id, disk.path));
  }
  const memory = checkpoint.memory && {
    ...checkpoint.memory,
    applied: await withSealedLayers(host.directory, id, checkpoint.memory.applied),
  };
  return {
    ...checkpoint,
    seals,
    settings: await withSealedLayers(host.directory, id, checkpoint.settings),
    memory,
  };
}
