/** vm.clone: a new VM with the content of one that does not run; new ids, addresses and generation id. */
import { chmod, chown } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { type DiskLayer, type DiskSettings, VmSettings } from '@corral/api/schemas/vm-settings';
import { type CopyWay, copyDiskFile } from '@corral/image/copy/copy-disk-file';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { chainOf, withChain } from '../../chain/chain.ts';
import { vouchForChains } from '../../chain/check-seals.ts';
import { sealOf } from '../../chain/seal.ts';
import { makeWhole, writeWhole } from '../../storage/whole-files.ts';
import { exists } from '../disk-files.ts';
import { occupiedBytes } from '../disk-space.ts';
import { writeSettingsFile } from '../settings-file.ts';
import { copyTpm } from '../tpm.ts';
import { subject } from '../vm-events.ts';
import { makeDiskFolder, makeVmFolder, pathOfClone, removeVmFolders } from '../vm-folders.ts';
import { requireLegal, type VmHost } from '../vm-host.ts';
import { type DiskCopy, tellCopies } from './create.ts';
import { type QueueStartResult, queueStart } from './queue-start.ts';

const Input = z.strictObject({
  sourceId: z.string(),
  sourceName: z.string(),
  settings: VmSettings,
  /** As of vm.create. */
  home: z.string().nullable().default(null),
  volumes: z.array(z.string()).default([]),
  /** All disks lie with its home, wherever those of the original do. */
  gathered: z.boolean().default(false),
  start: z.boolean(),
  requestedBy: z.string(),
});
export type VmCloneInput = z.infer<typeof Input>;

interface Results extends QueueStartResult {
  'reserve-user': { uid: number | null };
  'make-folder': null;
  'copy-files': { disks: DiskSettings[]; copies: DiskCopy[] };
  register: null;
}

export function vmClone(host: VmHost) {
  return defineOperation<VmCloneInput, Results>({
    kind: 'vm.clone',
    input: (json) => Input.parse(json),
    target: ({ sourceId, settings, volumes }) => [
      { shared: `vm/${sourceId}` },
      `vm/${settings.id}`,
      `vm-name/${settings.name}`,
      ...volumes.map((id) => ({ shared: `volume/${id}` })),
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
          await requireRoomForClone(host, input);
          await makeVmFolder(host, input.settings.id, result('reserve-user').uid, input.home);
          return null;
        },
        undo: ({ input }) => removeVmFolders(host, input.settings.id),
      },
      {
        name: 'copy-files',
        run: async ({ input, result, signal, progress }) => {
          await using _files = await host.chains.pause(input.sourceId);
          await vouchForChains(host, input.sourceId);
          return copyFiles(host, input, result('reserve-user').uid, signal, (done, message) =>
            progress({ done, total: input.settings.disks.length, unit: 'items', message }),
          );
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
          await tellCopies(host, subject(record), result('copy-files').copies);
          return null;
        },
        undo: ({ input }) => host.records.delete(input.settings.id),
      },
      queueStart(host),
    ],
    output: (input, results) => ({
      vmId: input.settings.id,
      startOperationId: results['queue-start'].operationId,
      copies: results['copy-files'].copies,
    }),
  });
}

async function copyFiles(
  host: VmHost,
  input: VmCloneInput,
  uid: number | null,
  signal: AbortSignal,
  progress: (done: number, message: string) => void,
): Promise<Results['copy-files']> {
  const source = host.directory.vm(input.sourceId);
  const target = host.directory.vm(input.settings.id);
  const sourceRecord = await host.records.get(input.sourceId);
  const disks: DiskSettings[] = [];
  const copies: DiskCopy[] = [];
  for (const [index, disk] of input.settings.disks.entries()) {
    signal.throwIfAborted();
    progress(index, `disk ${disk.name}`);
    // As it is now: a merge may have shortened the chain since the clone was asked for.
    const original = sourceRecord.settings.disks.find(({ name }) => name === disk.name)!;
    const copy = await copyChain(host, input, { ...original, id: disk.id }, uid, signal);
    disks.push(copy.disk);
    if (copy.way !== null) copies.push({ disk: disk.name, way: copy.way });
  }
  await copyIfThere(source.firmwareVariables, target.firmwareVariables, uid);
  if (await exists(source.tpm)) await copyTpm(source.tpm, target.tpm, uid);
  if (input.settings.seed !== null) await copySeed(host, input, uid, signal);
  const boot = [input.settings.kernel?.kernel, input.settings.kernel?.initrd];
  for (const path of boot) {
    if (path?.startsWith('boot/'))
      await copyIfThere(`${source.folder}/${path}`, `${target.boot}/${basename(path)}`, uid);
  }
  return { disks, copies };
}

/** Every layer but those of an image, under the same names; the copies are sealed anew. */
async function copyChain(
  host: VmHost,
  { sourceId, settings, gathered }: VmCloneInput,
  disk: DiskSettings,
  uid: number | null,
  signal: AbortSignal,
): Promise<{ disk: DiskSettings; way: CopyWay | null }> {
  const copied: DiskLayer[] = [];
  let way: CopyWay | null = null;
  for (const [index, layer] of chainOf(disk).entries()) {
    const path = layer.shared ? layer.path : pathOfClone(layer.path, sourceId, settings.id, gathered);
    const target = host.directory.resolveInVm(settings.id, path);
    if (!layer.shared) {
      await makeDiskFolder(path, uid);
      way = await copyOwned(host.directory.resolveInVm(sourceId, layer.path), target, uid, signal);
    }
    copied.push({
      ...layer,
      path,
      seal: index === 0 ? null : layer.shared ? layer.seal : await sealOf(target),
    });
  }
  return { disk: withChain(disk, copied), way };
}

/** For cloud-init the clone is a new machine: with the original's id it would keep that one's host keys. */
async function copySeed(
  host: VmHost,
  { sourceId, sourceName, settings: { id, name, seed } }: VmCloneInput,
  uid: number | null,
  signal: AbortSignal,
): Promise<void> {
  const hostname = { from: sourceName, to: name };
  const source = host.directory.resolveInVm(sourceId, seed!);
  const target = host.directory.resolveInVm(id, seed!);
  // Loaded when there is a seed: its YAML parser would take memory of every daemon.
  const { renewSeedImage } = await import('@corral/image/seed/seed-image');
  await writeWhole(target, await renewSeedImage(source, { instanceId: id, hostname }, signal), 0o600);
  if (uid !== null) await chown(target, uid, uid);
}

async function copyIfThere(source: string, target: string, uid: number | null): Promise<void> {
  if (await exists(source)) await copyOwned(source, target, uid);
}

async function copyOwned(
  source: string,
  target: string,
  uid: number | null,
  signal?: AbortSignal,
): Promise<CopyWay> {
  return await makeWhole(target, async (part) => {
    const { way } = await copyDiskFile(source, part, { signal });
    await chmod(part, 0o600);
    if (uid !== null) await chown(part, uid, uid);
    return way;
  });
}

/** @throws volume.below-reserve when the copies would use up the reserve of a volume */
async function requireRoomForClone(
  host: VmHost,
  { sourceId, settings, home, gathered }: VmCloneInput,
): Promise<void> {
  const what = `The clone ${settings.name}`;
  const folder = home ?? host.directory.vm(settings.id).folder;
  const wanted = new Map<string, { path: string; bytes: number }>();
  const source = await host.records.get(sourceId);
  for (const disk of source.settings.disks.filter(({ passThrough }) => !passThrough)) {
    for (const layer of chainOf(disk).filter(({ shared }) => !shared)) {
      const from = host.directory.resolveInVm(sourceId, layer.path);
      const path = resolve(folder, pathOfClone(layer.path, sourceId, settings.id, gathered));
      const volume = (await host.volumes.of(path))?.id ?? '';
      const needed = (await host.volumes.sharesBlocks(from, path)) ? 0 : await occupiedBytes(from);
      wanted.set(volume, { path, bytes: (wanted.get(volume)?.bytes ?? 0) + needed });
    }
  }
  await host.volumes.requireSpace(folder, 0, what);
  for (const { path, bytes } of wanted.values()) await host.volumes.requireSpace(path, bytes, what);
}
