/**
 * restore.in-place: a VM becomes what it was when it was backed up. The new disks are written beside the old ones; one
 * change of the record switches over, and only then the old ones go.
 */
import { chown, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { newId } from '@corral/core/ids';
import { defineOperation, type StepContext } from '@corral/operation/operation';
import { z } from 'zod';
import { deleteUnheld, layerPathsOf } from '../../checkpoint/layer-files.ts';
import { restoreMachineState } from '../../checkpoint/machine-state.ts';
import { connectionTarget } from '../../repository/repository-host.ts';
import { removeWhole } from '../../storage/whole-files.ts';
import { exists } from '../../vm/disk-files.ts';
import { subject } from '../../vm/vm-events.ts';
import { requireLegal, rewriteSettingsFile } from '../../vm/vm-host.ts';
import { writeMachineFiles } from '../machine-folder.ts';
import { detachedDisks, inPlaceSettings } from '../plan-restore.ts';
import { savedSettings } from '../point-machine.ts';
import { type RestoreHost, RestoreSource, withSource } from '../restore-host.ts';
import { writeDisksOfVm } from '../restored-disk.ts';

const Input = z.strictObject({
  source: RestoreSource,
  vmId: z.string(),
  vmName: z.string(),
  start: z.boolean(),
  requestedBy: z.string(),
});
export type RestoreInPlaceInput = z.infer<typeof Input>;

interface Results {
  plan: { settings: VmSettings; oldPaths: string[]; detached: string[] };
  'write-files': null;
  'write-disks': { writtenBytes: number };
  switch: null;
  'delete-old': null;
  'queue-start': { operationId: string | null };
}

export function restoreInPlace(restores: RestoreHost) {
  const { host } = restores;
  return defineOperation<RestoreInPlaceInput, Results>({
    kind: 'restore.in-place',
    input: (json) => Input.parse(json),
    target: ({ source, vmId }) => [`vm/${vmId}`, connectionTarget(source.repositoryId)],
    title: ({ source, vmName }) => `Restore VM ${vmName} in place from backup ${source.pointName}`,
    cancellable: true,
    steps: [
      { name: 'plan', run: (context) => plan(restores, context) },
      {
        name: 'write-files',
        run: async ({ input, operationId, signal }) => {
          const folder = stateFolder(restores, input.vmId, operationId);
          await mkdir(folder, { recursive: true, mode: 0o700 });
          await withSource(restores, input.source, signal, ({ held }) =>
            writeMachineFiles(held, folder, null, signal),
          );
          return null;
        },
        undo: ({ input, operationId }) =>
          rm(stateFolder(restores, input.vmId, operationId), { recursive: true, force: true }),
      },
      {
        name: 'write-disks',
        run: async (context) => ({ writtenBytes: await writeDisks(restores, context) }),
        undo: async ({ input, result }) => {
          for (const { path } of result('plan')?.settings.disks ?? [])
            await removeWhole(host.directory.resolveInVm(input.vmId, path));
        },
      },
      {
        name: 'switch',
        pivot: true,
        run: async ({ input, operationId, result }) => {
          await switchOver(restores, input.vmId, result('plan').settings, operationId);
          return null;
        },
      },
      {
        name: 'delete-old',
        run: async ({ input, operationId, result }) => {
          const { oldPaths } = result('plan');
          await rewriteSettingsFile(host, input.vmId);
          await deleteUnheld(host, input.vmId, oldPaths);
          await rm(stateFolder(restores, input.vmId, operationId), { recursive: true, force: true });
          const { repositoryName, pointName } = input.source;
          const data = { repository: repositoryName, point: pointName };
          await host.emit('vm.restored', subject(await host.records.get(input.vmId)), data);
          host.chains.look(input.vmId);
          return null;
        },
      },
      {
        name: 'queue-start',
        run: async ({ input, operationId }) => {
          const target = { id: input.vmId, name: input.vmName };
          if (!input.start) return { operationId: null };
          return { operationId: await host.queueStart(target, operationId, input.requestedBy) };
        },
      },
    ],
    output: ({ source, vmId }, results) => ({
      vmId,
      pointId: source.pointId,
      writtenBytes: results['write-disks'].writtenBytes,
      detached: results.plan.detached,
      startOperationId: results['queue-start'].operationId,
    }),
  });
}

/** Below the VM's own folder, so that what a rename needs is on one file system. */
function stateFolder({ host }: RestoreHost, vmId: string, operationId: string): string {
  return join(host.directory.vm(vmId).folder, `restore-${operationId}`);
}

/** @throws vm.illegal-state, restore.no-settings */
async function plan(
  restores: RestoreHost,
  { input, signal }: StepContext<RestoreInPlaceInput, Results>,
): Promise<Results['plan']> {
  const { host } = restores;
  const record = await host.records.get(input.vmId);
  requireLegal(host, record, 'restore');
  return await withSource(restores, input.source, signal, async ({ held }) => {
    const saved = await savedSettings(held, signal);
    const settings = inPlaceSettings(record.settings, saved, held.point.disks, {
      newId,
    });
    const kept = new Set(settings.disks.map(({ id }) => id));
    // Disks that no backup holds are not deleted: they are only not plugged in any more.
    const replaced = {
      ...record.settings,
      disks: record.settings.disks.filter(({ id }) => kept.has(id)),
    };
    const detached = detachedDisks(record.settings, settings).map(({ name }) => name);
    return { settings, oldPaths: layerPathsOf(replaced), detached };
  });
}

async function writeDisks(
  restores: RestoreHost,
  { input, progress, result, signal }: StepContext<RestoreInPlaceInput, Results>,
): Promise<number> {
  const { uid } = await restores.host.records.get(input.vmId);
  const what = { vm: { id: input.vmId, name: input.vmName }, disks: result('plan').settings.disks, uid };
  return await withSource(restores, input.source, signal, (open) =>
    writeDisksOfVm(restores, open, what, { progress, signal }),
  );
}

/** Firmware and TPM first: the record is what makes them count. Repeatable. */
async function switchOver(
  restores: RestoreHost,
  vmId: string,
  settings: VmSettings,
  operationId: string,
): Promise<void> {
  const { host } = restores;
  const from = stateFolder(restores, vmId, operationId);
  const record = await host.records.get(vmId);
  await restoreMachineState(host.directory, record, {
    firmwareVariables: join(from, 'firmware-variables.fd'),
    tpm: join(from, 'tpm'),
  });
  await moveBootFiles(join(from, 'boot'), host.directory.vm(vmId).boot, record.uid);
  await host.chainRecords.change(vmId, (state) => ({
    ...state,
    vm: {
      ...state.vm,
      // Renamed meanwhile: only the name's own key may move it.
      settings: { ...settings, name: state.vm.settings.name },
      saved: null,
      checkpointId: null,
    },
  }));
}

/** Repeatable: what a try before this one moved is there. */
async function moveBootFiles(from: string, to: string, uid: number | null): Promise<void> {
  if (!(await exists(from))) return;
  for (const name of await readdir(from)) {
    if (uid !== null) await chown(join(from, name), 0, uid);
    await rename(join(from, name), join(to, name));
  }
}
