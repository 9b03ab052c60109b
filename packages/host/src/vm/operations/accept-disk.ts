/**
 * vm.disk-accept: files of a disk that were touched from outside are taken as they are, by somebody who knows that they are
 * right. What changed in them nobody has noted, so the reference points of the disk end, and its next backups read all of it.
 */
import type { DiskSettings, LayerSeal } from '@corral/api/schemas/vm-settings';
import { openLayer } from '@corral/disk/drivers';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { type Chain, withSeal } from '../../chain/chain.ts';
import { type ChainState, holdersOf, withChains } from '../../chain/chain-records.ts';
import { lookAtTops } from '../../chain/resting-tops.ts';
import { brokenSeal, sealOf } from '../../chain/seal.ts';
import { chainErrors, vmErrors } from '../../errors.ts';
import { requireUnpinned } from '../../tracking/require-unpinned.ts';
import { tidyEdges } from '../../tracking/save-changes.ts';
import { subject } from '../vm-events.ts';
import { requireLegal, rewriteSettingsFile, type VmHost } from '../vm-host.ts';
import type { VmRecord } from '../vm-record.ts';
import { withChangedSettings } from './change-settings.ts';

const Input = z.strictObject({
  id: z.string(),
  name: z.string(),
  diskId: z.string(),
  diskName: z.string(),
});
export type DiskAcceptInput = z.infer<typeof Input>;

interface Results {
  check: { sizeBytes: number };
  accept: null;
  tidy: null;
}

export function vmDiskAccept(host: VmHost) {
  return defineOperation<DiskAcceptInput, Results>({
    kind: 'vm.disk-accept',
    input: (json) => Input.parse(json),
    target: ({ id }) => [`vm/${id}`],
    title: ({ diskName, name }) => `Accept the files of disk ${diskName} of VM ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'check',
        run: async ({ input, signal }) => {
          await using _files = await host.chains.pause(input.id);
          const state = await host.chainRecords.read(input.id);
          const disk = requireDisk(host, input, state.vm);
          // A backup under way would end in a reference point that says nothing of what was edited.
          await requireUnpinned(host, state.vm);
          await sealsOfFiles(host, input, state);
          return { sizeBytes: await sizeOfTop(host, input.id, disk, signal) };
        },
      },
      {
        name: 'accept',
        pivot: true,
        run: async ({ input, result }) => {
          await using _files = await host.chains.pause(input.id);
          await accept(host, input, result('check').sizeBytes);
          return null;
        },
      },
      {
        name: 'tidy',
        run: async ({ input, signal }) => {
          await tidyEdges(host, input.id, signal);
          await rewriteSettingsFile(host, input.id);
          await host.emit('vm.disk-accepted', subject(await host.records.get(input.id)), {
            disk: input.diskName,
          });
          return null;
        },
      },
    ],
    output: ({ id }) => ({ vmId: id }),
  });
}

/** @throws vm.illegal-state, vm.disk-not-found */
function requireDisk(host: VmHost, { diskId, diskName }: DiskAcceptInput, vm: VmRecord): DiskSettings {
  requireLegal(host, vm, 'disk-accept');
  const disk = vm.settings.disks.find(({ id }) => id === diskId);
  if (!disk) throw vmErrors['disk-not-found']({ vm: vm.settings.name, disk: diskName });
  return disk;
}

/** Repeatable. */
async function accept(host: VmHost, input: DiskAcceptInput, sizeBytes: number): Promise<void> {
  const state = await host.chainRecords.read(input.id);
  const seals = await sealsOfFiles(host, input, state);
  const resting = await lookAtTops(host.directory, state.vm);
  await host.chainRecords.change(input.id, (current) => {
    const sealed = [...seals].reduce(
      (next, [layerId, seal]) =>
        withChains(next, input.diskId, (chain) =>
          isSealed(chain, layerId) ? withSeal(chain, layerId, seal) : chain,
        ),
      withoutReferences(current, input.diskId),
    );
    const others = (current.vm.resting ?? []).filter(({ diskId }) => diskId !== input.diskId);
    const own = resting.filter(({ diskId }) => diskId === input.diskId);
    return {
      ...sealed,
      vm: { ...withSize(sealed.vm, input.diskId, sizeBytes), resting: [...others, ...own] },
    };
  });
}

/**
 * It is opened by our own parser before any program does, and may have another size by now.
 *
 * @throws disk.* where it is no disk
 */
async function sizeOfTop(
  host: VmHost,
  vmId: string,
  { path, format }: DiskSettings,
  signal: AbortSignal,
): Promise<number> {
  await using layer = await openLayer(host.directory.resolveInVm(vmId, path), {
    readOnly: true,
    format,
    signal,
  });
  return layer.info.sizeBytes;
}

/**
 * Of every file of the disk, by the state that it holds.
 *
 * @throws chain.layer-touched where one is missing: that cannot be taken as it is
 */
async function sealsOfFiles(
  host: VmHost,
  { id, name, diskId, diskName }: DiskAcceptInput,
  state: ChainState,
): Promise<ReadonlyMap<string, LayerSeal>> {
  const seals = new Map<string, LayerSeal>();
  for (const layer of holdersOf(state, diskId).flatMap(({ chain }) => chain)) {
    if (layer.point || seals.has(layer.id)) continue;
    const path = host.directory.resolveInVm(id, layer.path);
    const missing = await brokenSeal(path, null);
    if (missing !== null)
      throw chainErrors['layer-touched']({ vm: name, disk: diskName, path, reason: missing });
    seals.set(layer.id, await sealOf(path));
  }
  return seals;
}

/** What is written to has no seal in the chain. */
function isSealed(chain: Chain, layerId: string): boolean {
  return chain.some(({ id, seal }) => id === layerId && seal !== null);
}

function withoutReferences(state: ChainState, diskId: string): ChainState {
  const counts = ({ disks }: ChainState['references'][number]): boolean =>
    disks.some((disk) => disk.diskId === diskId);
  return { ...state, references: state.references.filter((reference) => !counts(reference)) };
}

function withSize(vm: VmRecord, diskId: string, sizeBytes: number): VmRecord {
  const same = vm.settings.disks.some((disk) => disk.id === diskId && disk.sizeBytes === sizeBytes);
  if (same) return vm;
  return withChangedSettings(vm, ({ disks }) => ({
    disks: disks.map((disk) => (disk.id === diskId ? { ...disk, sizeBytes } : disk)),
  }));
}
