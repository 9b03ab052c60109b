/** vm.clone: a new VM with the content of one that does not run; new ids, addresses and generation id. */
import { chmod, chown, constants, copyFile, cp, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { type DiskLayer, type DiskSettings, VmSettings } from '@corral/api/schemas/vm-settings';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { chainOf, withChain } from '../../chain/chain.ts';
import { sealOf } from '../../chain/seal.ts';
import { exists } from '../disk-files.ts';
import { writeSettingsFile } from '../settings-file.ts';
import { requireLegal, type VmHost } from '../vm-host.ts';
import { subject } from '../vm-supervisor.ts';
import { makeFolder } from './create.ts';

const Input = z.strictObject({
  sourceId: z.string(),
  sourceName: z.string(),
  settings: VmSettings,
  start: z.boolean(),
  requestedBy: z.string(),
});
export type VmCloneInput = z.infer<typeof Input>;

interface Results {
  'reserve-user': { uid: number | null };
  'make-folder': null;
  'copy-files': { disks: DiskSettings[] };
  register: null;
  'queue-start': { operationId: string | null };
}

export function vmClone(host: VmHost) {
  return defineOperation<VmCloneInput, Results>({
    kind: 'vm.clone',
    input: (json) => Input.parse(json),
    target: ({ sourceId, settings }) => [
      { shared: `vm/${sourceId}` },
      `vm/${settings.id}`,
      `vm-name/${settings.name}`,
    ],
    title: ({ sourceName, settings }) => `Clone VM ${sourceName} as ${settings.name}`,
    cancellable: true,
    steps: [
      {
        name: 'reserve-user',
        run: async ({ input }) => {
          requireLegal(host, await host.records.get(input.sourceId), 'clone');
          const uid = host.firstUid;
          return { uid: uid === null ? null : await host.records.reserveUid(input.settings.id, uid) };
        },
        undo: async ({ input }) => {
          if (host.firstUid === null) return;
          await host.records.releaseUid(await host.records.reserveUid(input.settings.id, host.firstUid));
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
        name: 'copy-files',
        run: async ({ input, result, signal, progress }) => {
          await using _files = await host.chains.pause(input.sourceId);
          const disks = await copyFiles(host, input, result('reserve-user').uid, signal, (done, message) =>
            progress({ done, total: input.settings.disks.length, unit: 'items', message }),
          );
          return { disks };
        },
      },
      {
        name: 'register',
        pivot: true,
        run: async ({ input, result }) => {
          const settings = { ...input.settings, disks: result('copy-files').disks };
          const record = {
            settings,
            uid: result('reserve-user').uid,
            process: null,
            saved: null,
            checkpointId: null,
          };
          await writeSettingsFile(host.directory.vm(settings.id).settings, settings);
          await host.records.create(record);
          await host.emit('vm.cloned', subject(record), { from: input.sourceName });
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

async function copyFiles(
  host: VmHost,
  input: VmCloneInput,
  uid: number | null,
  signal: AbortSignal,
  progress: (done: number, message: string) => void,
): Promise<DiskSettings[]> {
  const source = host.directory.vm(input.sourceId);
  const target = host.directory.vm(input.settings.id);
  const sourceRecord = await host.records.get(input.sourceId);
  const disks: DiskSettings[] = [];
  for (const [index, disk] of input.settings.disks.entries()) {
    signal.throwIfAborted();
    progress(index, `disk ${disk.name}`);
    // As it is now: a merge may have shortened the chain since the clone was asked for.
    const original = sourceRecord.settings.disks.find(({ name }) => name === disk.name)!;
    disks.push(disk.passThrough ? disk : await copyChain(host, input, { ...original, id: disk.id }, uid));
  }
  await copyIfThere(source.firmwareVariables, target.firmwareVariables, uid);
  if (await exists(source.tpm)) {
    await cp(source.tpm, target.tpm, { recursive: true, preserveTimestamps: true });
  }
  const boot = [input.settings.kernel?.kernel, input.settings.kernel?.initrd, input.settings.seed];
  for (const path of boot) {
    if (path?.startsWith('boot/'))
      await copyIfThere(`${source.folder}/${path}`, `${target.boot}/${basename(path)}`, uid);
  }
  return disks;
}

/** Every layer but those of an image, under the same names; the copies are sealed anew. */
async function copyChain(
  host: VmHost,
  { sourceId, settings }: VmCloneInput,
  disk: DiskSettings,
  uid: number | null,
): Promise<DiskSettings> {
  const copied: DiskLayer[] = [];
  for (const [index, layer] of chainOf(disk).entries()) {
    const target = host.directory.resolveInVm(settings.id, layer.path);
    if (!layer.shared) await copyOwned(host.directory.resolveInVm(sourceId, layer.path), target, uid);
    copied.push({ ...layer, seal: index === 0 ? null : layer.shared ? layer.seal : await sealOf(target) });
  }
  return withChain(disk, copied);
}

async function copyIfThere(source: string, target: string, uid: number | null): Promise<void> {
  if (await exists(source)) await copyOwned(source, target, uid);
}

async function copyOwned(source: string, target: string, uid: number | null): Promise<void> {
  await rm(target, { force: true });
  await copyFile(source, target, constants.COPYFILE_FICLONE);
  await chmod(target, 0o600);
  if (uid !== null) await chown(target, uid, uid);
}
