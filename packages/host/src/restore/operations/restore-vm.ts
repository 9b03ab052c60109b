/** restore.vm: a new VM from a backup. Seen by others when all is there; undone, it leaves nothing. */
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { defineOperation, type StepContext } from '@corral/operation/operation';
import { z } from 'zod';
import { connectionTarget } from '../../repository/repository-host.ts';
import { makeDisk } from '../../vm/disk-files.ts';
import { requireRoom } from '../../vm/disk-space.ts';
import { type QueueStartResult, queueStart } from '../../vm/operations/queue-start.ts';
import { writeSettingsFile } from '../../vm/settings-file.ts';
import { subject } from '../../vm/vm-events.ts';
import { makeVmFolder, removeVmFolders } from '../../vm/vm-folders.ts';
import { isStillCopied } from '../../vm/vm-host.ts';
import { copyBootFiles, writeMachineFiles } from '../machine-folder.ts';
import { type RestoreHost, RestoreSource, withSource } from '../restore-host.ts';
import { writeDisksOfVm } from '../restored-disk.ts';

const Input = z.strictObject({
  source: RestoreSource,
  settings: VmSettings,
  /** As of vm.create. */
  home: z.string().nullable(),
  volumes: z.array(z.string()),
  start: z.boolean(),
  /** Files of the host that it boots from, in place of those in the backup. */
  boot: z.strictObject({ kernel: z.string(), initrd: z.string() }).nullable().default(null),
  /** Of a VM that stands on the backup: whether its disks are copied while it runs. */
  copy: z.boolean().default(true),
  requestedBy: z.string(),
});
export type RestoreVmInput = z.infer<typeof Input>;

interface Results extends QueueStartResult {
  'reserve-user': { uid: number | null };
  'make-folder': null;
  'write-files': null;
  'write-disks': { writtenBytes: number };
  register: null;
  'begin-copy': { operationId: string | null };
}

export function restoreVm(restores: RestoreHost) {
  const { host } = restores;
  return defineOperation<RestoreVmInput, Results>({
    kind: 'restore.vm',
    input: (json) => Input.parse(json),
    target: ({ settings, source, volumes }) => [
      `vm/${settings.id}`,
      `vm-name/${settings.name}`,
      connectionTarget(source.repositoryId),
      ...volumes.map((id) => ({ shared: `volume/${id}` })),
    ],
    title: ({ settings, source }) => `Restore VM ${settings.name} from backup ${source.pointName}`,
    cancellable: true,
    steps: [
      {
        name: 'reserve-user',
        run: async ({ input }) => ({ uid: await uidOf(restores, input.settings.id) }),
        undo: async ({ input }) => {
          const uid = await uidOf(restores, input.settings.id);
          if (uid !== null) await host.records.releaseUid(uid);
        },
      },
      {
        name: 'make-folder',
        run: async ({ input, result }) => {
          await makeVmFolder(host, input.settings.id, result('reserve-user').uid, input.home);
          return null;
        },
        undo: ({ input }) => removeVmFolders(host, input.settings.id),
      },
      {
        name: 'write-files',
        run: async ({ input, result, signal }) => {
          const { folder } = host.directory.vm(input.settings.id);
          const { uid } = result('reserve-user');
          if (input.boot) await copyBootFiles(input.boot, folder, uid);
          else {
            await withSource(restores, input.source, signal, ({ held }) =>
              writeMachineFiles(held, folder, uid, signal),
            );
          }
          return null;
        },
      },
      {
        name: 'write-disks',
        run: async (context) => ({ writtenBytes: await writeDisks(restores, context) }),
      },
      {
        name: 'register',
        pivot: true,
        run: async ({ input, result }) => {
          const { settings, source } = input;
          const { uid } = result('reserve-user');
          const record = { settings, uid, process: null, saved: null, checkpointId: null };
          await writeSettingsFile(host.directory.vm(settings.id).settings, settings);
          await host.records.create(record);
          const data = { repository: source.repositoryName, point: source.pointName };
          await host.emit('vm.restored', subject(record), data);
          return null;
        },
        undo: ({ input }) => host.records.delete(input.settings.id),
      },
      queueStart(host),
      {
        name: 'begin-copy',
        run: async ({ input, operationId }) => {
          const { settings, source } = input;
          if (!input.copy || !isStillCopied(settings)) return { operationId: null };
          const copy = { source, vmId: settings.id, vmName: settings.name };
          return { operationId: await restores.beginCopy(copy, operationId, input.requestedBy) };
        },
      },
    ],
    output: ({ settings, source }, results) => ({
      vmId: settings.id,
      pointId: source.pointId,
      writtenBytes: results['write-disks'].writtenBytes,
      startOperationId: results['queue-start'].operationId,
      copyOperationId: results['begin-copy'].operationId,
    }),
  });
}

/** Repeatable: the VM that has one gets it again. */
function uidOf({ host }: RestoreHost, id: string): Promise<number | null> {
  return host.firstUid === null ? Promise.resolve(null) : host.records.reserveUid(id, host.firstUid);
}

async function writeDisks(
  restores: RestoreHost,
  { input, progress, result, signal }: StepContext<RestoreVmInput, Results>,
): Promise<number> {
  const { settings, source } = input;
  if (isStillCopied(settings))
    return await makeEmptyLayers(restores, settings, result('reserve-user').uid, signal);
  const what = { vm: settings, disks: settings.disks, uid: result('reserve-user').uid };
  return await withSource(restores, source, signal, (open) =>
    writeDisksOfVm(restores, open, what, { progress, signal }),
  );
}

/** What the guest reads comes from the backup until it is copied. @returns bytes written: none */
async function makeEmptyLayers(
  { host }: RestoreHost,
  { disks, id, name }: VmSettings,
  uid: number | null,
  signal: AbortSignal,
): Promise<number> {
  const planned = disks.map((disk) => ({
    disk,
    path: host.directory.resolveInVm(id, disk.path),
    making: { kind: 'blank' } as const,
  }));
  await requireRoom(host.volumes, `Restoring VM ${name}`, planned);
  for (const { disk, making, path } of planned) await makeDisk(disk, path, making, { uid, signal });
  return 0;
}
