/**
 * checkpoint.delete: forgets checkpoints; their children keep their place, and the chain keeper merges what only the
 * forgotten ones needed (docs/design/0008-checkpoints.md, "Delete").
 */
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { type ChainState, holdersOf } from '../../chain/chain-records.ts';
import {
  type ForkOverlay,
  forkInQemu,
  makeOverlays,
  planFork,
  recordFork,
  sealFork,
} from '../../chain/fork.ts';
import { planMerges } from '../../chain/layer-forest.ts';
import { saveVanishing } from '../../tracking/save-changes.ts';
import { subject } from '../../vm/vm-events.ts';
import { requireLegal, rewriteSettingsFile, type VmHost } from '../../vm/vm-host.ts';
import { removeCheckpointFolder, rewriteCheckpointFiles } from '../checkpoint-files.ts';
import { standsOn, withoutCheckpoints } from '../checkpoint-tree.ts';
import { deleteUnheld, layerPathsOf } from '../layer-files.ts';

const Input = z.strictObject({
  vmId: z.string(),
  vmName: z.string(),
  checkpoints: z.array(z.strictObject({ id: z.string(), name: z.string() })).min(1),
});
export type CheckpointDeleteInput = z.infer<typeof Input>;

interface Results {
  check: { paths: string[] };
  forget: null;
  'delete-files': null;
  'free-top': null;
  'write-files': null;
}

export function checkpointDelete(host: VmHost) {
  return defineOperation<CheckpointDeleteInput, Results>({
    kind: 'checkpoint.delete',
    input: (json) => Input.parse(json),
    // Not while one of them is exported: its memory and UEFI variables go with it.
    target: ({ vmId, checkpoints }) => [`vm/${vmId}`, ...checkpoints.map(({ id }) => `checkpoint/${id}`)],
    title,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        // The chains are noted before they are forgotten: only they say which files there were.
        name: 'check',
        run: async ({ input }) => {
          const state = await host.chainRecords.read(input.vmId);
          requireLegal(host, state.vm, 'checkpoint-delete');
          return { paths: going(state, input).flatMap(({ settings }) => layerPathsOf(settings)) };
        },
      },
      {
        name: 'forget',
        pivot: true,
        run: async ({ input, signal }) => {
          await saveVanishing(host, input.vmId, (state) => forgotten(state, input), signal);
          await host.chainRecords.change(input.vmId, (state) => forgotten(state, input));
          return null;
        },
      },
      {
        name: 'delete-files',
        run: async ({ input, result }) => {
          for (const { id } of input.checkpoints)
            await removeCheckpointFolder(host.directory, input.vmId, id);
          await deleteUnheld(host, input.vmId, result('check').paths);
          return null;
        },
      },
      {
        name: 'free-top',
        run: async ({ input, operationId, signal }) => {
          await freeTop(host, input.vmId, operationId, signal);
          return null;
        },
      },
      {
        name: 'write-files',
        run: async ({ input }) => {
          await rewriteSettingsFile(host, input.vmId);
          await rewriteCheckpointFiles(host, input.vmId);
          const checkpoints = input.checkpoints.map(({ name }) => name);
          await host.emit('checkpoint.deleted', subject(await host.records.get(input.vmId)), { checkpoints });
          host.chains.look(input.vmId);
          return null;
        },
      },
    ],
    output: ({ vmId, checkpoints }) => ({ vmId, checkpointIds: checkpoints.map(({ id }) => id) }),
  });
}

function title({ checkpoints, vmName }: CheckpointDeleteInput): string {
  const [first, ...more] = checkpoints;
  const above = more.length === 0 ? '' : ` and ${more.length} above it`;
  return `Delete checkpoint ${first!.name}${above} of VM ${vmName}`;
}

function going({ checkpoints }: ChainState, input: CheckpointDeleteInput) {
  const ids = new Set(input.checkpoints.map(({ id }) => id));
  return checkpoints.filter(({ id }) => ids.has(id));
}

function forgotten(state: ChainState, input: CheckpointDeleteInput): ChainState {
  const gone = new Set(input.checkpoints.map(({ id }) => id));
  return {
    ...state,
    vm: { ...state.vm, checkpointId: standsOn(state.checkpoints, state.vm.checkpointId, gone) },
    checkpoints: withoutCheckpoints(state.checkpoints, gone),
  };
}

/**
 * The top of a running VM is never merged (docs/design/0006-disk-chains.md): where it lies directly on a layer that nobody
 * needs any more, one more layer is put on it, so that it is one in between. Repeatable.
 */
async function freeTop(host: VmHost, vmId: string, seed: string, signal: AbortSignal): Promise<void> {
  const state = await host.chainRecords.read(vmId);
  if (!state.vm.process) return;
  const overlays = topForks(state, seed);
  if (overlays.length === 0) return;
  await makeOverlays(host, state.vm, overlays, signal);
  await recordFork(host, vmId, overlays);
  await forkInQemu(host, vmId, overlays, signal);
  await sealFork(host, vmId, overlays);
}

/** The layers to put on; also those that an earlier try has recorded and QEMU may not have yet. Pure. */
export function topForks(state: ChainState, seed: string): ForkOverlay[] {
  const { settings } = state.vm;
  const only = settings.disks.filter(({ passThrough }) => !passThrough).map(({ id }) => id);
  return planFork(settings, seed, only).flatMap((overlay) => {
    const disk = settings.disks.find(({ id }) => id === overlay.diskId)!;
    const [below] = disk.parents;
    if (disk.layerId === overlay.id && below) {
      return [{ ...overlay, path: disk.path, sealedId: below.id, sealedPath: below.path }];
    }
    const merges = planMerges(holdersOf(state, disk.id), { running: false, tracked: false });
    return merges.some(({ upper }) => upper.id === disk.layerId) ? [overlay] : [];
  });
}
