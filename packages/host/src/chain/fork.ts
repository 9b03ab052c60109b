/**
 * A fork: new layers on all disks of a VM at one instant, so that what lies below is still
 * (docs/design/0006-disk-chains.md, "The record decides"). Each part can be repeated, by the same operation.
 *
 *   planFork → makeOverlays → ChainRecords.change(withFork) → forkInQemu → sealFork
 */
import type { DiskSettings, LayerSeal, VmSettings } from '@corral/api/schemas/vm-settings';
import { isCorralError } from '@corral/core/errors';
import { derivedId } from '@corral/core/ids';
import type { QmpClient } from '@corral/qmp/qmp-client';
import { chainErrors } from '../errors.ts';
import { removeWhole } from '../storage/whole-files.ts';
import { makeDisk } from '../vm/disk-files.ts';
import { diskFileOptions, diskFormatOptions, layerFileNode, layerNode } from '../vm/qemu-devices.ts';
import { monitorOf, rewriteSettingsFile, type VmHost } from '../vm/vm-host.ts';
import type { VmRecord } from '../vm/vm-record.ts';
import { hasNode, isInUse } from './block-graph.ts';
import { type Chain, overlayPath, withOverlay, withSeal } from './chain.ts';
import { type ChainState, holdersOf, withChains } from './chain-records.ts';
import { layerFile } from './layer-file.ts';
import { chainDownFrom } from './merge-checks.ts';
import { sealOf } from './seal.ts';

/** A new layer of one disk, and what it is put on. */
export interface ForkOverlay {
  readonly diskId: string;
  readonly id: string;
  readonly path: string;
  readonly sealedId: string;
  readonly sealedPath: string;
}

/**
 * The layers that a fork adds: the same ones for the same `seed`.
 *
 * @param only ids of disks; all that can be forked unless told
 * @throws chain.cannot-fork
 */
export function planFork(vm: VmSettings, seed: string, only?: readonly string[]): ForkOverlay[] {
  return vm.disks
    .filter(({ id }) => only === undefined || only.includes(id))
    .map((disk) => {
      if (disk.passThrough) throw chainErrors['cannot-fork']({ vm: vm.name, disk: disk.name });
      const id = derivedId(`layer on ${disk.id} by ${seed}`);
      return {
        diskId: disk.id,
        id,
        path: overlayPath(disk, id),
        sealedId: disk.layerId,
        sealedPath: disk.path,
      };
    });
}

/** Makes the files. Repeatable. */
export async function makeOverlays(
  host: VmHost,
  record: VmRecord,
  overlays: readonly ForkOverlay[],
  signal: AbortSignal,
): Promise<void> {
  const { settings: vm, uid } = record;
  for (const overlay of overlays) {
    const disk = vm.disks.find(({ id }) => id === overlay.diskId)!;
    const base = host.directory.resolveInVm(vm.id, overlay.sealedPath);
    const baseFormat = disk.path === overlay.sealedPath ? disk.format : 'qcow2';
    const path = host.directory.resolveInVm(vm.id, overlay.path);
    await makeDisk({ ...disk, format: 'qcow2' }, path, { kind: 'linked', base, baseFormat }, { uid, signal });
  }
}

/** Takes the files back that no chain holds. Repeatable. */
export async function removeOverlays(
  host: VmHost,
  vmId: string,
  overlays: readonly ForkOverlay[],
): Promise<void> {
  const state = await host.chainRecords.read(vmId);
  for (const { diskId, id, path } of overlays) {
    if (!isHeld(state, diskId, { id, path })) await removeWhole(host.directory.resolveInVm(vmId, path));
  }
}

/** By its state, or by its file, in which a merge may have put another. */
function isHeld(state: ChainState, diskId: string, { id, path }: Pick<ForkOverlay, 'id' | 'path'>): boolean {
  const layers = holdersOf(state, diskId).flatMap(({ chain }) => chain);
  return layers.some((layer) => layer.id === id || layer.path === path);
}

/**
 * Writes down that the present stands on the overlays, and whatever `change` makes of that. The file beside the disks has it
 * before QEMU switches: whoever has nothing but the files must not miss what the guest writes from then on. Repeatable.
 */
export async function recordFork(
  host: VmHost,
  vmId: string,
  overlays: readonly ForkOverlay[],
  change: (forked: ChainState, before: ChainState) => ChainState = (forked) => forked,
): Promise<ChainState> {
  const state = await host.chainRecords.change(vmId, (before) => change(withFork(before, overlays), before));
  await rewriteSettingsFile(host, vmId);
  return state;
}

/** The present stands on the overlays from now on, whatever QEMU has come to. Pure; repeatable. */
export function withFork(state: ChainState, overlays: readonly ForkOverlay[]): ChainState {
  const { vm } = state;
  return {
    ...state,
    vm: {
      ...vm,
      settings: forked(vm.settings, overlays),
      // The memory of a saved VM comes back into a machine with these very disks.
      saved: vm.saved && { ...vm.saved, applied: forked(vm.saved.applied, overlays) },
    },
  };
}

function forked(vm: VmSettings, overlays: readonly ForkOverlay[]): VmSettings {
  return { ...vm, disks: vm.disks.map((disk) => forkedDisk(disk, overlays)) };
}

function forkedDisk(disk: DiskSettings, overlays: readonly ForkOverlay[]): DiskSettings {
  const overlay = overlays.find(({ diskId, sealedId }) => diskId === disk.id && sealedId === disk.layerId);
  return overlay ? withOverlay(disk, overlay, null) : disk;
}

/** Puts the overlays on, all at one instant, if the VM has a QEMU. Repeatable. @throws chain.fork-failed */
export async function forkInQemu(
  host: VmHost,
  vmId: string,
  overlays: readonly ForkOverlay[],
  signal: AbortSignal,
): Promise<void> {
  const record = await host.records.get(vmId);
  if (!record.process || overlays.length === 0) return;
  const qmp = await monitorOf(host, vmId, signal);
  await openOverlays(host, qmp, record, overlays, signal);
  await switchToOverlays(qmp, record.settings.name, overlays);
}

/** Opens the overlays in QEMU, on nothing yet: what takes time is done before the instant. Repeatable. */
export async function openOverlays(
  host: VmHost,
  qmp: QmpClient,
  record: VmRecord,
  overlays: readonly ForkOverlay[],
  signal: AbortSignal,
): Promise<void> {
  const graph = await qmp.execute('x-debug-query-block-graph', {}, { signal });
  for (const overlay of overlays) {
    const { id } = record.settings;
    const disk = record.settings.disks.find((each) => each.id === overlay.diskId)!;
    const layer = { ...disk, path: overlay.path, format: 'qcow2' as const, parents: [] };
    const file = await layerFile(host.directory, id, overlay.path);
    const add = (options: object): Promise<unknown> =>
      qmp.execute('blockdev-add', options as never, { signal });
    if (!hasNode(graph, layerFileNode(overlay.path))) await add(diskFileOptions(layer, file));
    if (!hasNode(graph, layerNode(overlay.path))) await add(diskFormatOptions(layer));
  }
}

/** The instant itself: one transaction. Repeatable. @throws chain.fork-failed */
export async function switchToOverlays(
  qmp: QmpClient,
  vm: string,
  overlays: readonly ForkOverlay[],
): Promise<void> {
  await commitSwitch(qmp, vm, await planSwitch(qmp, overlays));
}

export interface SwitchAction {
  readonly type: 'blockdev-snapshot';
  readonly data: { readonly node: string; readonly overlay: string };
}

/** What is left to be switched. Whoever stops the guest for the instant asks before that. */
export async function planSwitch(qmp: QmpClient, overlays: readonly ForkOverlay[]): Promise<SwitchAction[]> {
  const graph = await qmp.execute('x-debug-query-block-graph');
  return overlays
    .filter(({ path }) => !isInUse(graph, layerNode(path)))
    .map(({ path, sealedPath }) => ({
      type: 'blockdev-snapshot' as const,
      data: { node: layerNode(sealedPath), overlay: layerNode(path) },
    }));
}

/** @throws chain.fork-failed */
export async function commitSwitch(
  qmp: QmpClient,
  vm: string,
  actions: readonly SwitchAction[],
): Promise<void> {
  if (actions.length === 0) return;
  try {
    await qmp.execute('transaction', { actions });
  } catch (cause) {
    if (!isCorralError(cause, 'qmp.command-failed')) throw cause;
    throw chainErrors['fork-failed']({ vm, reason: cause.message }, { cause });
  }
}

/** Writes down that QEMU has the overlays, and what the layers below were like when they became still. Repeatable. */
export async function sealFork(
  host: VmHost,
  vmId: string,
  overlays: readonly ForkOverlay[],
): Promise<ChainState> {
  for (;;) {
    const { seen, seals } = await sealsOf(host, vmId, overlays);
    let isStale = false;
    const sealed = await host.chainRecords.change(vmId, (state) => {
      // A merge that ended since has written to a header as well: the seals are of before that.
      isStale = overlays.some(
        ({ diskId, sealedId }) => chainKey(seen, diskId, sealedId) !== chainKey(state, diskId, sealedId),
      );
      return isStale ? state : withForkSealed(state, overlays, seals);
    });
    if (!isStale) return sealed;
  }
}

/** Which states lie below the one, and in which files. */
function chainKey(state: ChainState, diskId: string, layerId: string): string {
  const chain = chainDownFrom(state, diskId, layerId) ?? [];
  return JSON.stringify(chain.map(({ id, path }) => [id, path]));
}

/** Pure; repeatable. */
export function withForkSealed(
  state: ChainState,
  overlays: readonly ForkOverlay[],
  seals: ReadonlyMap<string, LayerSeal>,
): ChainState {
  const { process } = state.vm;
  const vm = {
    ...state.vm,
    process: process && { ...process, applied: forked(process.applied, overlays) },
  };
  return overlays.reduce(
    (next, { diskId, sealedId }) =>
      withChains(next, diskId, (chain) =>
        withSeal(chain, sealedId, isMergedBelow(chain, sealedId) ? null : seals.get(sealedId)!),
      ),
    { ...state, vm },
  );
}

/**
 * Whether the layer lies on one that is just being merged: QEMU writes its header at the end of that, and the merge seals it
 * then. A merge that was begun has lifted the seal of its lower layer.
 */
function isMergedBelow(chain: Chain, layerId: string): boolean {
  const at = chain.findIndex(({ id }) => id === layerId);
  const lower = at < 0 ? undefined : chain[at + 2];
  return lower !== undefined && lower.seal === null && !lower.point;
}

const mostLooks = 5;

/**
 * Of the files that hold the states which became still. A merge that was begun while the VM was off may move one of them into
 * another file at this very moment: then it seals that one itself, or is looked at again.
 */
async function sealsOf(
  host: VmHost,
  vmId: string,
  overlays: readonly ForkOverlay[],
): Promise<{ readonly seen: ChainState; readonly seals: ReadonlyMap<string, LayerSeal> }> {
  for (let look = 1; ; look += 1) {
    const state = await host.chainRecords.read(vmId);
    try {
      const seals = new Map<string, LayerSeal>();
      for (const { diskId, sealedId, sealedPath } of overlays) {
        const chains = holdersOf(state, diskId).flatMap(({ chain }) => chain);
        const path = chains.find(({ id }) => id === sealedId)?.path ?? sealedPath;
        seals.set(sealedId, await sealOf(host.directory.resolveInVm(vmId, path)));
      }
      return { seen: state, seals };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT' || look === mostLooks) throw cause;
    }
  }
}

/**
 * Takes a fork back where that is certain to lose nothing: as long as a living QEMU has not switched. Otherwise the
 * overlays stay, which is always right, and are merged like any layer that nobody needs. Repeatable.
 */
export async function undoFork(
  host: VmHost,
  vmId: string,
  overlays: readonly ForkOverlay[],
  signal: AbortSignal,
): Promise<void> {
  const record = await host.records.get(vmId);
  if (record.process && host.supervisor.isAttached(vmId)) {
    const qmp = await monitorOf(host, vmId, signal);
    const graph = await qmp.execute('x-debug-query-block-graph', {}, { signal });
    const switched = overlays.some(({ path }) => isInUse(graph, layerNode(path)));
    if (switched) return void (await sealFork(host, vmId, overlays));
    for (const { path } of overlays) {
      for (const node of [layerNode(path), layerFileNode(path)]) {
        if (hasNode(graph, node)) await qmp.execute('blockdev-del', { 'node-name': node }, { signal });
      }
    }
    await host.chainRecords.change(vmId, (state) => withoutFork(state, overlays));
    await rewriteSettingsFile(host, vmId);
  }
  await removeOverlays(host, vmId, overlays);
  if (!record.process) await sealStanding(host, vmId, overlays);
}

/** Overlays that stay, on a VM that nothing runs of: what lies below them is still, like below any other. */
async function sealStanding(host: VmHost, vmId: string, overlays: readonly ForkOverlay[]): Promise<void> {
  const { vm } = await host.chainRecords.read(vmId);
  const standing = overlays.filter(({ diskId, id, sealedId }) =>
    vm.settings.disks.some(
      (disk) => disk.id === diskId && disk.layerId === id && disk.parents[0]?.id === sealedId,
    ),
  );
  if (standing.length > 0) await sealFork(host, vmId, standing);
}

function withoutFork(state: ChainState, overlays: readonly ForkOverlay[]): ChainState {
  const disks = state.vm.settings.disks.map((disk) => {
    const overlay = overlays.find(({ diskId, id }) => diskId === disk.id && id === disk.layerId);
    const [below, ...parents] = disk.parents;
    if (!overlay || below?.id !== overlay.sealedId) return disk;
    return { ...disk, layerId: below.id, path: below.path, format: below.format, parents };
  });
  return { ...state, vm: { ...state.vm, settings: { ...state.vm.settings, disks } } };
}
