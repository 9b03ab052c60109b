/**
 * vm.merge: the upper of two layers goes into the file of the lower (docs/design/0006-disk-chains.md). It lives as long
 * as it takes, over stop, start and restart of the daemon, and until its `record` is done the chain is as before.
 */
import { DiskLayer, type LayerSeal } from '@corral/api/schemas/vm-settings';
import { delay } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import { defineOperation, type Progress } from '@corral/operation/operation';
import type { QmpClient } from '@corral/qmp/qmp-client';
import { z } from 'zod';
import { chainErrors } from '../errors.ts';
import { removeWhole } from '../storage/whole-files.ts';
import { isQemuGone, monitorOf, type VmHost } from '../vm/vm-host.ts';
import { chainOf, isSameLayer, withMerged, withSeal } from './chain.ts';
import { ChainPaused, type MergeRequest, writingTarget } from './chain-keeper.ts';
import { type ChainState, holdersOf, withChains } from './chain-records.ts';
import { commitLayer } from './commit-job.ts';
import { planMerges, sealedAbove } from './layer-forest.ts';
import { chainDownFrom, requireHeld, requireSpace, requireUntouched } from './merge-checks.ts';
import { watchSpace } from './merge-space.ts';
import { giveUpTopSeals } from './resting-tops.ts';
import { sealOf } from './seal.ts';
import { openStorageDaemon } from './storage-daemon.ts';

const Input = z.strictObject({
  vmId: z.string(),
  vmName: z.string(),
  diskId: z.string(),
  diskName: z.string(),
  upper: DiskLayer,
  lower: DiskLayer,
});

interface Results {
  begin: { still: boolean };
  'save-changes': null;
  commit: null;
  'write-files': null;
  'delete-file': null;
}

/** A QEMU that is just being ended or started: what it becomes is seen at the next look. */
const lookAgainMs = 200;

export interface MergeOptions {
  /** What a merge below a running guest may copy: the rest of the disk's speed is the guest's. 0: no limit. */
  readonly liveBytesPerSecond: number;
  /** Writes down what is allocated in the two, before a reference point's changes can no longer be read from them. */
  readonly saveChanges: (request: MergeRequest, signal: AbortSignal) => Promise<void>;
  /** Brings the files beside the disks up to what the store holds. */
  readonly rewriteFiles: (vmId: string) => Promise<void>;
}

export function vmMerge(host: VmHost, options: MergeOptions) {
  return defineOperation<MergeRequest, Results>({
    kind: 'vm.merge',
    input: (json) => Input.parse(json),
    target: ({ vmId, diskId }) => [`merge/${vmId}/${diskId}`, { shared: writingTarget(vmId) }],
    title: ({ vmName, diskName }) => `Merge layers of disk ${diskName} of VM ${vmName}`,
    cancellable: true,
    afterCrash: 'resume',
    steps: [
      {
        name: 'begin',
        run: async ({ input }) => ({ still: await begin(host, input) }),
        undo: ({ input }) => sealLower(host, input),
      },
      {
        name: 'save-changes',
        run: async ({ input, result, signal }) => {
          if (result('begin').still && (await isToBeDone(host, input)))
            await options.saveChanges(input, signal);
          return null;
        },
      },
      {
        // With its record in one piece: a start in between would open the upper layer again, whose file then goes.
        name: 'commit',
        pivot: true,
        run: async ({ input, result, signal, progress }) => {
          if (result('begin').still) await commit(host, input, { signal, progress, ...options });
          return null;
        },
        undo: async ({ input }) => {
          if (await host.records.find(input.vmId)) await options.rewriteFiles(input.vmId);
          await deleteMerged(host, input);
        },
      },
      {
        name: 'write-files',
        run: async ({ input, result }) => {
          if (result('begin').still && (await host.records.find(input.vmId)))
            await options.rewriteFiles(input.vmId);
          return null;
        },
      },
      {
        name: 'delete-file',
        run: async ({ input, result }) => {
          if (result('begin').still) await deleteMerged(host, input);
          await host.chains.lookNext(input.vmId);
          return null;
        },
      },
    ],
    output: ({ vmId, diskId }) => ({ vmId, diskId }),
  });
}

/**
 * Lifts the seal of the lower layer, if the merge is still what the chains call for. What can be refused is before that: a
 * seal that was lifted is taken anew, of whatever lies there then.
 */
async function begin(host: VmHost, request: MergeRequest): Promise<boolean> {
  const { vmId, diskId, upper, lower } = request;
  if (!(await stillThere(host, request))) return false;
  if (!isPlanned(await host.chainRecords.read(vmId), request)) return false;
  await requireHeld(host, request);
  await requireUntouched(host, request);
  await requireSpace(host, request);
  let still = false;
  const state = await host.chainRecords.change(vmId, (current) => {
    still = isPlanned(current, request);
    if (!still) return current;
    const written = [lower, ...sealedAbove(holdersOf(current, diskId), upper.id)];
    return written.reduce(
      (next, { id }) => withChains(next, diskId, (chain) => withSeal(chain, id, null)),
      current,
    );
  });
  if (!still) return false;
  return state.vm.settings.id === vmId && upper.id !== lower.id;
}

/** A merge that was begun is planned although its lower layer has no seal any more. */
function isPlanned(state: ChainState, { diskId, upper, lower }: MergeRequest): boolean {
  const conditions = { running: state.vm.process !== null, tracked: state.references.length > 0 };
  return planMerges(holdersOf(state, diskId), conditions).some(
    (merge) => isSameLayer(merge.upper, upper) && isSameLayer(merge.lower, lower),
  );
}

async function stillThere(host: VmHost, { vmId }: MergeRequest): Promise<boolean> {
  return (await host.records.find(vmId)) !== null;
}

async function isToBeDone(host: VmHost, request: MergeRequest): Promise<boolean> {
  return (
    (await stillThere(host, request)) && !isRecorded(await host.chainRecords.read(request.vmId), request)
  );
}

/** What was begun is given up: a layer whose seal was lifted is still again. Others have what tells of an edit. */
async function sealLower(host: VmHost, { vmId, diskId, upper, lower }: MergeRequest): Promise<void> {
  if (!(await host.records.find(vmId))) return;
  const state = await host.chainRecords.read(vmId);
  if (isRecorded(state, { diskId, lower }) || !isLifted(state, diskId, lower)) return;
  const seal = await sealOf(host.directory.resolveInVm(vmId, lower.path));
  await changeSealed(host, { vmId, diskId, upper }, (before) =>
    withChains(before, diskId, (chain) => withSeal(chain, lower.id, seal)),
  );
}

function isLifted(state: ChainState, diskId: string, layer: DiskLayer): boolean {
  const layers = holdersOf(state, diskId).flatMap(({ chain }) => chain);
  return layers.some((each) => isSameLayer(each, layer) && each.seal === null);
}

/** Changes the state together with the seals of what lies on the upper layer: its header was written by QEMU, it is still again. */
async function changeSealed(
  host: VmHost,
  { vmId, diskId, upper }: Pick<MergeRequest, 'vmId' | 'diskId' | 'upper'>,
  change: (state: ChainState) => ChainState,
): Promise<void> {
  for (;;) {
    const seals = new Map<string, LayerSeal>();
    for (const { id, path } of sealedAbove(holdersOf(await host.chainRecords.read(vmId), diskId), upper.id)) {
      seals.set(id, await sealOf(host.directory.resolveInVm(vmId, path)));
    }
    let isStale = false;
    await host.chainRecords.change(vmId, (state) => {
      // A fork has come between: what it has made still waits for its seal here.
      isStale = sealedAbove(holdersOf(state, diskId), upper.id).some(({ id }) => !seals.has(id));
      if (isStale) return state;
      return [...seals].reduce(
        (next, [id, seal]) => withChains(next, diskId, (chain) => withSeal(chain, id, seal)),
        change(state),
      );
    });
    if (!isStale) return;
  }
}

interface CommitContext extends Pick<MergeOptions, 'liveBytesPerSecond'> {
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

async function commit(
  host: VmHost,
  request: MergeRequest,
  { signal, ...options }: CommitContext,
): Promise<void> {
  for (;;) {
    try {
      return await host.chains.work(request.vmId, signal, async (limited) => {
        if (await isWrittenTo(host, request)) return sealLower(host, request);
        await commitOnce(host, request, { ...options, signal: limited });
        await recordMerge(host, request);
      });
    } catch (cause) {
      if (!(cause instanceof ChainPaused) && !isQemuGone(cause)) throw failed(request, cause);
      await delay(lookAgainMs, signal);
    }
  }
}

/**
 * Whether it was begun while the VM was off, and a guest writes to the upper layer by now: that is never merged
 * (docs/design/0006-disk-chains.md, "The top of a running VM"). What was copied so far lies hidden below it.
 */
async function isWrittenTo(host: VmHost, { vmId, diskId, upper }: MergeRequest): Promise<boolean> {
  const record = await host.records.find(vmId);
  if (!record?.process) return false;
  const present = [record.settings, record.process.applied];
  return present.some(({ disks }) => disks.some(({ id, layerId }) => id === diskId && layerId === upper.id));
}

function failed({ vmName, diskName }: MergeRequest, cause: unknown): unknown {
  if (!isCorralError(cause) || !cause.code.startsWith('qmp.')) return cause;
  return chainErrors['merge-failed']({ vm: vmName, disk: diskName, reason: cause.message }, { cause });
}

/** In the VM's QEMU if it has the two layers open, else in a storage daemon. */
async function commitOnce(host: VmHost, request: MergeRequest, context: CommitContext): Promise<void> {
  const { vmId, diskId, upper } = request;
  if (!(await stillThere(host, request))) return;
  const state = await host.chainRecords.read(vmId);
  if (isRecorded(state, request)) return;
  await requireHeld(host, request);
  await requireUntouched(host, request);
  // Somebody reads the files by now: it goes on when they are let go of.
  if (isPinned(state, request)) throw new ChainPaused('the files of the layers are pinned');
  const applied = state.vm.process?.applied.disks.find(({ id }) => id === diskId);
  const openInQemu = applied && chainOf(applied).some(({ id }) => id === upper.id);
  await using space = await watchSpace(host, request, context.signal, () => requireHeld(host, request));
  try {
    const limited = { ...context, signal: space.signal };
    await commitIn(host, request, state, openInQemu ? applied.path : null, limited);
  } catch (cause) {
    throw isFull(cause) ? await space.shortage() : cause;
  }
}

/** QEMU gives the system's words for ENOSPC and EDQUOT. */
function isFull(cause: unknown): boolean {
  const words = /No space left on device|Disk quota exceeded/;
  const told = isCorralError(cause, 'qmp.job-failed') || isCorralError(cause, 'qmp.command-failed');
  return told && words.test(cause.message);
}

/** @param topPath of the chain that the VM's QEMU has open; null where it has none */
async function commitIn(
  host: VmHost,
  request: MergeRequest,
  state: ChainState,
  topPath: string | null,
  { liveBytesPerSecond, progress, signal }: CommitContext,
): Promise<void> {
  const { vmId, diskId, upper, lower } = request;
  const options = {
    lowerFile: host.directory.forQemu(host.directory.resolveInVm(vmId, lower.path)),
    speed: topPath === null ? 0 : liveBytesPerSecond,
    signal,
    progress: (done: number, total: number) => progress({ done, total, unit: 'bytes', message: 'merging' }),
  };
  if (topPath !== null) {
    const qmp = await monitorOf(host, vmId, signal);
    await requireActiveDisks(qmp);
    return commitLayer(qmp, request, { ...options, topPath });
  }
  const chain = chainDownFrom(state, diskId, upper.id);
  if (!chain) return;
  // The top may be the upper one, or get a new header.
  await giveUpTopSeals(host.records, vmId);
  const daemon = await openStorageDaemon({
    directory: host.directory,
    vmId,
    uid: state.vm.uid,
    chain,
    signal,
  });
  await using _ = daemon;
  await commitLayer(daemon.qmp, request, { ...options, topPath: upper.path });
}

/** While its memory comes or goes QEMU gives up its disks: a job begun then fails. */
async function requireActiveDisks(qmp: QmpClient): Promise<void> {
  const { status } = await qmp.execute('query-status');
  if (activeDisks.has(status)) return;
  throw new ChainPaused(`QEMU is in the state ${status}`);
}

const activeDisks = new Set([
  'running',
  'paused',
  'suspended',
  'io-error',
  'guest-panicked',
  'watchdog',
  'debug',
]);

/** Nothing lies on the lower layer any more: it is gone, or the VM is another one. */
function isRecorded(state: ChainState, { diskId, lower }: Pick<MergeRequest, 'diskId' | 'lower'>): boolean {
  return holdersOf(state, diskId).every(({ chain }) => chain.every((layer) => !isSameLayer(layer, lower)));
}

function isPinned({ pins }: ChainState, { diskId, upper, lower }: MergeRequest): boolean {
  const chains = pins.flatMap(({ disks }) => disks.filter((disk) => disk.diskId === diskId));
  return chains.some(({ chain }) => chain.some(({ id }) => id === upper.id || id === lower.id));
}

/** Deletes the upper layer's file, once no chain names it. Repeatable. */
async function deleteMerged(host: VmHost, request: MergeRequest): Promise<void> {
  const { vmId, diskId, upper } = request;
  // With the VM its whole folder goes.
  if (!(await stillThere(host, request))) return;
  const state = await host.chainRecords.read(vmId);
  const named = holdersOf(state, diskId).some(({ chain }) => chain.some(({ path }) => path === upper.path));
  if (!named) await removeWhole(host.directory.resolveInVm(vmId, upper.path));
}

async function recordMerge(host: VmHost, request: MergeRequest): Promise<void> {
  const { vmId, diskId, upper, lower } = request;
  if (!(await stillThere(host, request))) return;
  // Recorded by a try before, or thrown away with the present that was written on it: there is nothing to seal.
  if (isRecorded(await host.chainRecords.read(vmId), request)) return;
  const seal = await sealOf(host.directory.resolveInVm(vmId, lower.path));
  let pinned = false;
  await changeSealed(host, request, (state) => {
    pinned = isPinned(state, request);
    // Somebody has begun to read these very files meanwhile: until they are let go of the chain is upper over lower,
    // which is right however much was copied.
    if (pinned) return state;
    return withChains(state, diskId, (chain) => withMerged(chain, { upper, lower }, seal));
  });
  if (pinned) throw new ChainPaused('the files of the layers are pinned');
}
