/**
 * checkpoint.apply: goes to a checkpoint, anywhere in the tree. Whatever can fail comes before the present is touched
 * (docs/design/0008-checkpoints.md, "Apply").
 */
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { makeOverlays, removeOverlays } from '../../chain/fork.ts';
import { removeWhole } from '../../storage/whole-files.ts';
import { saveVanishing, withoutPresent } from '../../tracking/save-changes.ts';
import { subject } from '../../vm/vm-events.ts';
import { requireLegal, rewriteSettingsFile, type VmHost } from '../../vm/vm-host.ts';
import type { VmRecord } from '../../vm/vm-record.ts';
import { applied, planLayers } from '../apply-plan.ts';
import { Capture, type CaptureResults, captureSteps } from '../capture.ts';
import { requireMemoryFile } from '../capture-instant.ts';
import { checkpointPaths, linkMemory, rewriteCheckpointFiles } from '../checkpoint-files.ts';
import type { CheckpointRecord } from '../checkpoint-record.ts';
import { findCheckpoint } from '../checkpoint-tree.ts';
import { deleteUnheld, layerPathsOf } from '../layer-files.ts';
import { restoreMachineState } from '../machine-state.ts';
import { requireSoundLayers } from '../sound-layers.ts';

const Input = z.strictObject({
  vmId: z.string(),
  vmName: z.string(),
  id: z.string(),
  name: z.string(),
  /** Keeps the present; null where it is thrown away. */
  first: Capture.nullable(),
  generationId: z.string(),
  requestedBy: z.string(),
});
export type CheckpointApplyInput = z.infer<typeof Input>;

interface Results extends CaptureResults {
  check: null;
  'make-layers': null;
  'end-present': { paths: string[] };
  switch: null;
  'delete-present': null;
  'write-files': null;
  'bring-back': { operationId: string | null };
}

export function checkpointApply(host: VmHost) {
  return defineOperation<CheckpointApplyInput, Results>({
    kind: 'checkpoint.apply',
    input: (json) => Input.parse(json),
    target: ({ vmId }) => [`vm/${vmId}`],
    title: ({ name, vmName }) => `Apply checkpoint ${name} of VM ${vmName}`,
    cancellable: true,
    steps: [
      {
        name: 'check',
        run: async ({ input }) => {
          await checkUsable(host, input);
          return null;
        },
      },
      ...captureSteps<CheckpointApplyInput>(host, ({ first }) => first),
      {
        name: 'make-layers',
        run: async ({ input, operationId, signal }) => {
          const { vm, checkpoint } = await targetOf(host, input);
          const overlays = planLayers(checkpoint, operationId);
          await makeOverlays(host, { ...vm, settings: checkpoint.settings }, overlays, signal);
          return null;
        },
        undo: async ({ input, operationId }) => {
          const { checkpoint } = await targetOf(host, input);
          await removeOverlays(host, input.vmId, planLayers(checkpoint, operationId));
        },
      },
      {
        // From here on the present is lost, if it was not kept.
        name: 'end-present',
        pivot: true,
        run: async ({ input }) => {
          const record = await host.records.get(input.vmId);
          if (record.process) {
            using _activity = host.supervisor.activity(input.vmId, 'stopping');
            await host.supervisor.endQemu(input.vmId);
          }
          return { paths: layerPathsOf(record.settings) };
        },
      },
      {
        name: 'switch',
        run: async ({ input, operationId, signal }) => {
          // What the abandoned present says of changes goes with its layers.
          await saveVanishing(host, input.vmId, withoutPresent, signal);
          await switchTo(host, input, operationId);
          // Before files go that they name.
          await rewriteSettingsFile(host, input.vmId);
          await rewriteCheckpointFiles(host, input.vmId);
          return null;
        },
      },
      {
        name: 'delete-present',
        run: async ({ input, result }) => {
          await deleteUnheld(host, input.vmId, result('end-present').paths);
          return null;
        },
      },
      {
        name: 'write-files',
        run: async ({ input }) => {
          await rewriteSettingsFile(host, input.vmId);
          await rewriteCheckpointFiles(host, input.vmId);
          const present = input.first ? `is in checkpoint ${input.first.name}` : 'was thrown away';
          const record = await host.records.get(input.vmId);
          await host.emit('checkpoint.applied', subject(record), { checkpoint: input.name, present });
          host.chains.look(input.vmId);
          return null;
        },
      },
      {
        name: 'bring-back',
        run: async ({ input, operationId }) => ({ operationId: await bringBack(host, input, operationId) }),
      },
    ],
    output: ({ vmId, id, first }, results) => ({
      vmId,
      checkpointId: id,
      presentCheckpointId: first?.id ?? null,
      startOperationId: results['bring-back'].operationId,
    }),
  });
}

async function targetOf(
  host: VmHost,
  { vmId, id }: CheckpointApplyInput,
): Promise<{ readonly vm: VmRecord; readonly checkpoint: CheckpointRecord }> {
  const { vm, checkpoints } = await host.chainRecords.read(vmId);
  return { vm, checkpoint: findCheckpoint(checkpoints, vm.settings.name, id) };
}

/** @throws vm.illegal-state, volume.foreign and the like, checkpoint.damaged */
async function checkUsable(host: VmHost, input: CheckpointApplyInput): Promise<void> {
  const { vm, checkpoint } = await targetOf(host, input);
  requireLegal(host, vm, 'checkpoint-apply');
  // It may have disks, on other volumes, that the present has not.
  await host.volumes.requireVm(checkpoint.settings);
  await requireSoundLayers(host, input.vmId, input.id);
  const names = { vm: vm.settings.name, checkpoint: checkpoint.name };
  const { memory } = checkpointPaths(host.directory, input.vmId, input.id);
  if (checkpoint.memory) await requireMemoryFile(checkpoint.memory, memory, names);
}

/** Files first: the record is what makes them count. */
async function switchTo(host: VmHost, input: CheckpointApplyInput, seed: string): Promise<void> {
  const { vm, checkpoint } = await targetOf(host, input);
  const paths = checkpointPaths(host.directory, input.vmId, input.id);
  const { savedMemory } = host.directory.vm(input.vmId);
  if (checkpoint.memory) await linkMemory(paths.memory, savedMemory);
  else await removeWhole(savedMemory);
  await restoreMachineState(host.directory, vm, paths);
  const { generationId } = input;
  await host.chainRecords.change(input.vmId, (state) =>
    applied(state, { checkpointId: input.id, generationId, seed }),
  );
}

/** A VM that ran runs again, by an operation of its own, which may fail by itself. */
async function bringBack(
  host: VmHost,
  input: CheckpointApplyInput,
  operationId: string,
): Promise<string | null> {
  const { vm, checkpoint } = await targetOf(host, input);
  if (checkpoint.state !== 'running' && checkpoint.state !== 'paused') return null;
  const target = { id: input.vmId, name: vm.settings.name };
  const paused = checkpoint.state === 'paused' ? { paused: true } : {};
  return host.queueStart({ ...target, ...paused }, operationId, input.requestedBy);
}
