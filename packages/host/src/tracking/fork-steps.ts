/**
 * The steps that fork a VM's disks for somebody who reads them, or who remembers where they stood: new layers on top, a
 * pin on what lies below, a reference point. Operations are made of them (`vm.fork`, `reference.create`).
 *
 *   make-overlays ─▶ record (chain, pin, reference point) ─▶ fork (freeze · one transaction · thaw · seal)
 */
import { VmSettings } from '@corral/api/schemas/vm-settings';
import type { VmAction } from '@corral/core/vm-actions';
import type { AnyStep, StepContext } from '@corral/operation/operation';
import { z } from 'zod';
import type { ChainState } from '../chain/chain-records.ts';
import { vouchForChains } from '../chain/check-seals.ts';
import {
  type ForkOverlay,
  makeOverlays,
  openOverlays,
  planFork,
  recordFork,
  sealFork,
  switchToOverlays,
  undoFork,
} from '../chain/fork.ts';
import type { PinRecord } from '../chain/pin-record.ts';
import { chainErrors } from '../errors.ts';
import { type FreezeOutcome, withFrozenGuest } from '../guard/frozen-guest.ts';
import { requireForkRoom } from '../vm/disk-space.ts';
import { monitorOf, requireLegal, rewriteSettingsFile, type VmHost } from '../vm/vm-host.ts';
import { trackingErrors } from './errors.ts';

const PinWanted = z.strictObject({
  id: z.string(),
  reason: z.string(),
  operationId: z.string().nullable(),
  expiresAt: z.string().nullable(),
});

export const ForkInput = z.strictObject({
  vmId: z.string(),
  vmName: z.string(),
  /** Keeps the files below as they are for whoever reads them. */
  pin: PinWanted.nullable(),
  reference: z.strictObject({ id: z.string(), name: z.string() }).nullable(),
  /** At least this; null: as much as can be had. */
  consistency: z.enum(['application', 'filesystem', 'crash']).nullable(),
  freezeLimitMs: z.int(),
});
export type ForkInput = z.infer<typeof ForkInput>;

export interface ForkResults {
  'make-overlays': { overlays: ForkOverlay[] };
  record: { settings: VmSettings };
  fork: FreezeOutcome & { forkedAt: string };
}

/** What whoever asked for the fork needs to know. */
export const ForkOutput = z.object({
  settings: VmSettings,
  consistency: z.enum(['application', 'filesystem', 'crash']),
  reason: z.string().nullable(),
  frozenMs: z.number(),
  forkedAt: z.string(),
});
export type ForkOutput = z.infer<typeof ForkOutput>;

export function forkSteps(host: VmHost, action: VmAction): AnyStep<ForkInput, ForkResults>[] {
  return [
    {
      name: 'make-overlays',
      run: async ({ input, operationId, signal }) => {
        const record = await host.records.get(input.vmId);
        requireLegal(host, record, action);
        if (input.pin) requireOwnContent(record.settings);
        await vouchForChains(host, input.vmId);
        await requireForkRoom(host, record.settings, `The fork of VM ${record.settings.name}`);
        const overlays = planFork(record.settings, operationId, forkable(record.settings));
        await makeOverlays(host, record, overlays, signal);
        return { overlays };
      },
      // Files that the next step's record names are not ours to delete any more; its undo has been there before.
      undo: async ({ input, operationId, result, signal }) => {
        const { settings } = await host.records.get(input.vmId);
        const begun = (): ForkOverlay[] => planFork(settings, operationId, forkable(settings));
        await undoFork(host, input.vmId, result('make-overlays')?.overlays ?? begun(), signal);
      },
    },
    {
      name: 'record',
      run: async ({ input, result }) => {
        const { overlays } = result('make-overlays');
        const state = await recordFork(host, input.vmId, overlays, (forked) =>
          withHolders(forked, overlays, input),
        );
        return { settings: state.vm.settings };
      },
      undo: async ({ input, result, signal }) => {
        await undoFork(host, input.vmId, result('make-overlays')?.overlays ?? [], signal);
        await host.chainRecords.change(input.vmId, (state) => withoutHolders(state, input));
        host.chains.look(input.vmId);
      },
    },
    {
      name: 'fork',
      pivot: true,
      run: async (context) => {
        const outcome = await forkFrozen(host, context, context.result('make-overlays').overlays);
        await rewriteSettingsFile(host, context.input.vmId);
        return outcome;
      },
      // The undo of `record` takes back what can be taken back; what was switched stays, and is merged.
      undo: ({ input, result, signal }) =>
        undoFork(host, input.vmId, result('make-overlays')?.overlays ?? [], signal),
    },
  ];
}

/** A reader needs files: what still lies in a repository has none. @throws tracking.being-restored */
export function requireOwnContent({ name, disks }: VmSettings): void {
  const disk = disks.find(({ parents }) => parents.some(({ point }) => point !== undefined));
  if (disk) throw trackingErrors['being-restored']({ vm: name, disk: disk.name });
}

/** Disks that are devices of the host stay out of it. */
function forkable({ disks }: VmSettings): string[] {
  return disks.filter(({ passThrough }) => !passThrough).map(({ id }) => id);
}

async function forkFrozen(
  host: VmHost,
  { input, signal, within }: StepContext<ForkInput, ForkResults>,
  overlays: readonly ForkOverlay[],
): Promise<ForkResults['fork']> {
  const record = await host.records.get(input.vmId);
  const qmp = record.process ? await monitorOf(host, input.vmId, signal) : null;
  if (qmp) await openOverlays(host, qmp, record, overlays, signal);
  const options = {
    limitMs: input.freezeLimitMs,
    signal,
    ...(input.consistency === null ? {} : { consistency: input.consistency }),
  };
  const { value: forkedAt, freeze } = await withFrozenGuest(host, input.vmId, options, async () => {
    await within();
    if (qmp) await switchToOverlays(qmp, record.settings.name, overlays);
    return new Date().toISOString();
  });
  await sealFork(host, input.vmId, overlays);
  return { ...freeze, forkedAt };
}

/** Pure; repeatable. */
function withHolders(state: ChainState, overlays: readonly ForkOverlay[], input: ForkInput): ChainState {
  const { vm, pins, references } = state;
  const createdAt = new Date().toISOString();
  const forked = overlays.map(({ diskId, id, sealedId }) => {
    const disk = vm.settings.disks.find((each) => each.id === diskId);
    if (!disk || disk.layerId !== id)
      throw chainErrors['fork-failed']({ vm: input.vmName, reason: 'its disks changed' });
    return { diskId, name: disk.name, sizeBytes: disk.sizeBytes, stateId: sealedId, chain: disk.parents };
  });
  const { pin, reference } = input;
  const newPin: PinRecord | null = pin && {
    ...pin,
    vmId: input.vmId,
    createdAt,
    disks: forked.map(({ stateId: _, ...disk }) => disk),
    doomed: [],
  };
  if (reference && references.some(({ id, name }) => name === reference.name && id !== reference.id)) {
    throw trackingErrors['reference-exists']({ vm: input.vmName, reference: reference.name });
  }
  return {
    ...state,
    pins: newPin ? [...pins.filter(({ id }) => id !== newPin.id), newPin] : pins,
    references: reference
      ? [
          ...references.filter(({ id }) => id !== reference.id),
          {
            ...reference,
            vmId: input.vmId,
            createdAt,
            backup: null,
            disks: forked.map(({ chain: _, ...disk }) => disk),
          },
        ]
      : references,
  };
}

function withoutHolders(state: ChainState, { pin, reference }: ForkInput): ChainState {
  return {
    ...state,
    pins: state.pins.filter(({ id }) => id !== pin?.id),
    references: state.references.filter(({ id }) => id !== reference?.id),
  };
}

/** For the `output` of an operation that has these steps. */
export function forkOutput(results: ForkResults): ForkOutput {
  return { settings: results.record.settings, ...results.fork };
}
