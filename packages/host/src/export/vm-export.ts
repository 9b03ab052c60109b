/**
 * vm.export: a VM as it is now, in a folder (docs/formats/checkpoint.md, "An export"): all of it, or what changed since a
 * reference point. It runs on meanwhile.
 *
 *   fork (pin, by an operation of its own) ─▶ make-folder ─▶ copy-disks ─▶ copy-files ─▶ publish ─▶ unpin
 */
import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { isCorralError } from '@corral/core/errors';
import { derivedId } from '@corral/core/ids';
import { syncTree } from '@corral/disk/sync';
import { defineOperation, type StepContext } from '@corral/operation/operation';
import { z } from 'zod';
import type { Forks } from '../backup/backup-host.ts';
import { openChainOf } from '../backup/open-chain.ts';
import { withChain } from '../chain/chain.ts';
import type { PinRecord } from '../chain/pin-record.ts';
import { type ExportedDisk, exportFlat } from '../checkpoint/export-disks.ts';
import { checkpointErrors } from '../errors.ts';
import { type ExportFile, exportFileName } from '../registration/export-file.ts';
import { removeWhole, writeWhole } from '../storage/whole-files.ts';
import { knownChanges } from '../tracking/changes-between.ts';
import { trackingErrors } from '../tracking/errors.ts';
import type { ForkOutput } from '../tracking/fork-steps.ts';
import { releasePin } from '../tracking/release-pin.ts';
import { tidyEdges } from '../tracking/save-changes.ts';
import { exists } from '../vm/disk-files.ts';
import { writeSettingsFile } from '../vm/settings-file.ts';
import { subject } from '../vm/vm-events.ts';
import type { VmHost } from '../vm/vm-host.ts';
import { writeDifferential } from './differential-disk.ts';

export interface ExportHost {
  readonly host: VmHost;
  readonly forks: Forks;
}

const Named = z.strictObject({ id: z.string(), name: z.string() });
const Input = z.strictObject({
  vmId: z.string(),
  vmName: z.string(),
  directory: z.string(),
  since: Named.nullable(),
  /** Made at the same instant, for the next one to ask from. */
  reference: Named.nullable(),
  consistency: z.enum(['application', 'filesystem', 'crash']).nullable(),
  freezeLimitMs: z.int(),
});
export type VmExportInput = z.infer<typeof Input>;

interface DiskOfExport extends ExportedDisk {
  /** What lies below; null: all of the disk is here. */
  readonly from: string | null;
}

interface Results {
  fork: ForkOutput;
  'make-folder': null;
  'copy-disks': { disks: DiskOfExport[] };
  'copy-files': null;
  publish: null;
  unpin: null;
}

const forkId = (operationId: string): string => derivedId(`fork of export ${operationId}`);
const pinId = (operationId: string): string => derivedId(`pin of export ${operationId}`);

export function vmExport({ host, forks }: ExportHost) {
  return defineOperation<VmExportInput, Results>({
    kind: 'vm.export',
    input: (json) => Input.parse(json),
    target: ({ directory }) => [`directory${directory}`],
    title: ({ vmName, directory }) => `Export VM ${vmName} to ${directory}`,
    cancellable: true,
    steps: [
      {
        name: 'fork',
        run: async ({ input, operationId, signal }) => {
          await requireEmpty(input.directory);
          const { vmId, vmName, reference, consistency, freezeLimitMs } = input;
          const pin = {
            id: pinId(operationId),
            reason: `an export to ${input.directory}`,
            operationId,
            expiresAt: null,
          };
          const fork = { vmId, vmName, pin, reference, consistency, freezeLimitMs };
          return forks.run(fork, forkId(operationId), signal);
        },
        undo: async ({ input, operationId, signal }) => {
          await forks.abandon(forkId(operationId), signal);
          await letGo(host, input, operationId, signal, true);
        },
      },
      {
        name: 'make-folder',
        run: async ({ input: { directory } }) => {
          await mkdir(join(directory, 'disks'), { recursive: true, mode: 0o700 });
          return null;
        },
        undo: ({ input }) => removeWhole(input.directory),
      },
      { name: 'copy-disks', run: async (context) => ({ disks: await copyDisks(host, context) }) },
      {
        name: 'copy-files',
        run: async ({ input }) => {
          await copyFiles(host, input);
          return null;
        },
      },
      {
        name: 'publish',
        pivot: true,
        run: async ({ input, result }) => {
          await publish(input, result('fork').settings, result('copy-disks').disks);
          return null;
        },
        undo: ({ input }) => removeWhole(join(input.directory, exportFileName)),
      },
      {
        name: 'unpin',
        run: async ({ input, operationId, signal }) => {
          await letGo(host, input, operationId, signal, false);
          const record = await host.records.find(input.vmId);
          if (record) {
            const data = { path: input.directory, since: input.since?.name ?? null };
            await host.emit('vm.exported', subject(record), data);
          }
          return null;
        },
      },
    ],
    output: ({ vmId, directory }, results) => ({
      vmId,
      directory,
      consistency: results.fork.consistency,
      reason: results.fork.reason,
      disks: results['copy-disks'].disks.map(({ disk, from }) => ({
        name: disk.name,
        differential: from !== null,
      })),
    }),
  });
}

/** @throws checkpoint.export-exists */
async function requireEmpty(path: string): Promise<void> {
  if (!(await exists(path))) return;
  if ((await readdir(path)).length > 0) throw checkpointErrors['export-exists']({ path });
}

/** Repeatable; also when the VM is gone. */
async function letGo(
  host: VmHost,
  { vmId, reference }: VmExportInput,
  operationId: string,
  signal: AbortSignal,
  undone: boolean,
): Promise<void> {
  try {
    if (undone && reference) {
      await host.chainRecords.change(vmId, (state) => ({
        ...state,
        references: state.references.filter(({ id }) => id !== reference.id),
      }));
    }
    await releasePin(host, vmId, pinId(operationId), signal);
    await tidyEdges(host, vmId, signal);
  } catch (cause) {
    // With the VM its pins went.
    if (!isCorralError(cause, 'vm.not-found')) throw cause;
  }
}

async function copyDisks(
  host: VmHost,
  { input, operationId, progress, signal }: StepContext<VmExportInput, Results>,
): Promise<DiskOfExport[]> {
  const { pins } = await host.chainRecords.read(input.vmId);
  const pin = pins.find(({ id }) => id === pinId(operationId))!;
  const disks: DiskOfExport[] = [];
  for (const pinned of pin.disks) {
    disks.push(
      await copyDisk(host, input, pinned, signal, (done, total) =>
        progress({ done, total, unit: 'bytes', message: `disk ${pinned.name}` }),
      ),
    );
  }
  return disks;
}

async function copyDisk(
  host: VmHost,
  input: VmExportInput,
  { diskId, name, sizeBytes, chain }: PinRecord['disks'][number],
  signal: AbortSignal,
  progress: (done: number, total: number) => void,
): Promise<DiskOfExport> {
  const state = await host.chainRecords.read(input.vmId);
  const settings = state.vm.settings.disks.find(({ id }) => id === diskId);
  // Removed since the fork: what is known of its device went with it.
  if (!settings) throw trackingErrors['disk-removed']({ vm: input.vmName, disk: name });
  const disk = { ...withChain(settings, chain), sizeBytes };
  const since = state.references.find(({ id }) => id === input.since?.id);
  if (input.since && !since) {
    throw trackingErrors['reference-not-found']({ vm: input.vmName, reference: input.since.name });
  }
  const from = since?.disks.find((each) => each.diskId === diskId);
  const to = { stateId: chain[0]!.id, sizeBytes };
  const changes = from ? await knownChanges(host, { vmId: input.vmId, diskId, from, to }, signal) : null;
  const options = { folder: input.directory, signal, progress };
  const source = { vmId: input.vmId, disk, chain };
  if (!from || !changes)
    return { ...(await exportFlat(host.directory, source, 'qcow2', options)), from: null };
  const path = `disks/${name}.${disk.layerId}.qcow2`;
  const target = join(input.directory, path);
  // A try before this one may have left a part of it.
  await rm(target, { force: true });
  await using content = await openChainOf(host.directory, input.vmId, chain, signal);
  const parent = `${name}.qcow2`;
  await writeDifferential(target, { disk: content, sizeBytes, changes, parent }, signal, progress);
  const exported = { ...disk, format: 'qcow2' as const, path, parents: [] };
  return { disk: exported, format: 'qcow2', path, from: from.stateId };
}

/** UEFI variables and TPM as they are now, and what the VM boots from. */
async function copyFiles(host: VmHost, { vmId, directory }: VmExportInput): Promise<void> {
  const from = host.directory.vm(vmId);
  const parts = [
    [from.firmwareVariables, 'firmware-variables.fd'],
    [from.tpm, 'tpm'],
    [from.boot, 'boot'],
  ] as const;
  for (const [path, name] of parts) {
    if (await exists(path)) {
      await cp(path, join(directory, name), { recursive: true, preserveTimestamps: true });
    }
  }
}

async function publish(
  { directory, vmName, since }: VmExportInput,
  settings: VmSettings,
  disks: readonly DiskOfExport[],
): Promise<void> {
  const inside = (path: string): string => `boot/${basename(path)}`;
  const exported: VmSettings = {
    ...settings,
    disks: settings.disks.flatMap(({ id }) => disks.find(({ disk }) => disk.id === id)?.disk ?? []),
    kernel: settings.kernel && {
      ...settings.kernel,
      kernel: inside(settings.kernel.kernel),
      initrd: settings.kernel.initrd && inside(settings.kernel.initrd),
    },
    seed: settings.seed && inside(settings.seed),
    image: settings.image && { ...settings.image, linked: false },
  };
  const file: ExportFile = {
    format: 'corral-export/1',
    exportedAt: new Date().toISOString(),
    vm: vmName,
    checkpoint: null,
    state: 'off',
    memory: null,
    disks: disks.map(({ disk, format, path }) => ({
      name: disk.name,
      format,
      path,
      sizeBytes: disk.sizeBytes,
      parents: [],
    })),
    since: since && {
      reference: since.name,
      disks: disks.map(({ disk, from }) => ({ name: disk.name, from })),
    },
  };
  await writeSettingsFile(join(directory, 'vm.json'), exported);
  await syncTree(directory);
  await writeWhole(join(directory, exportFileName), `${JSON.stringify(file, null, 2)}\n`, 0o600);
}
