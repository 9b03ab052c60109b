/**
 * Everything that holds a chain of one VM, read and changed as one: the VM's record, its checkpoints, pins, reference
 * points and edges. A counter per VM, `chain/<vm id>`, makes any two changes of them follow each other.
 */

import { storeErrors } from '@corral/store/errors';
import type { Store, StoreEntry, TransactionStep } from '@corral/store/store';
import { auditPrefix } from '../backup/audit-records.ts';
import { trackingSettingsKey } from '../backup/tracking-settings.ts';
import {
  type CheckpointRecord,
  checkpointKey,
  checkpointPrefix,
  CheckpointRecord as checkpointSchema,
} from '../checkpoint/checkpoint-record.ts';
import { vmErrors } from '../errors.ts';
import { type EdgeRecord, edgeKey, edgePrefix, EdgeRecord as edgeSchema } from '../tracking/edge-record.ts';
import {
  type ReferenceRecord,
  referenceKey,
  referencePrefix,
  ReferenceRecord as referenceSchema,
} from '../tracking/reference-record.ts';
import { parseVmRecord, type VmRecord, vmKey } from '../vm/vm-record.ts';
import { type Chain, chainOf, withChain } from './chain.ts';
import type { ChainHolder } from './layer-forest.ts';
import { type PinRecord, pinKey, pinPrefix, PinRecord as pinSchema } from './pin-record.ts';

export interface ChainState {
  readonly vm: VmRecord;
  readonly checkpoints: readonly CheckpointRecord[];
  readonly pins: readonly PinRecord[];
  readonly references: readonly ReferenceRecord[];
  readonly edges: readonly EdgeRecord[];
}

const chainKey = (vmId: string): string => `chain/${vmId}`;

export class ChainRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** @throws vm.not-found */
  async read(vmId: string): Promise<ChainState> {
    return (await this.#read(vmId)).state;
  }

  /**
   * Changes all of it in one transaction, reading again when somebody was faster.
   *
   * @param change pure; what it throws is thrown
   * @throws vm.not-found
   */
  async change(vmId: string, change: (state: ChainState) => ChainState): Promise<ChainState> {
    for (;;) {
      const { state, vmEntry, counter } = await this.#read(vmId);
      const next = change(state);
      const steps = difference(vmId, state, next);
      if (steps.length === 0) return next;
      const result = await this.#store.transact({
        compare: [
          { key: vmKey(vmId), modRevision: vmEntry.modRevision },
          counter
            ? { key: chainKey(vmId), modRevision: counter.modRevision }
            : { key: chainKey(vmId), absent: true },
        ],
        then: [...steps, { put: chainKey(vmId), value: String(Number(counter?.value ?? '0') + 1) }],
      });
      if (result.succeeded) return next;
    }
  }

  /** Forgets all but the VM's record itself. Repeatable. */
  async forget(vmId: string): Promise<void> {
    const prefixes = [
      checkpointPrefix(vmId),
      pinPrefix(vmId),
      referencePrefix(vmId),
      edgePrefix(vmId),
      auditPrefix(vmId),
    ];
    const keys = [chainKey(vmId), trackingSettingsKey(vmId)];
    await this.#store.transact({
      then: [...prefixes.map((deletePrefix) => ({ deletePrefix })), ...keys.map((key) => ({ delete: key }))],
    });
  }

  async #read(vmId: string): Promise<{ state: ChainState; vmEntry: StoreEntry; counter: StoreEntry | null }> {
    // The counter first: whatever changes after it was read makes the transaction fail.
    const counter = await this.#store.get(chainKey(vmId));
    const vmEntry = await this.#store.get(vmKey(vmId));
    if (!vmEntry) throw vmErrors['not-found']({ vm: vmId });
    const list = async <T>(prefix: string, parse: (json: unknown) => T): Promise<T[]> =>
      (await this.#store.list(prefix)).entries.map(({ value }) => parse(JSON.parse(value)));
    const state = {
      vm: parseVmRecord(vmEntry),
      checkpoints: await list(checkpointPrefix(vmId), (json) => checkpointSchema.parse(json)),
      pins: await list(pinPrefix(vmId), (json) => pinSchema.parse(json)),
      references: await list(referencePrefix(vmId), (json) => referenceSchema.parse(json)),
      edges: await list(edgePrefix(vmId), (json) => edgeSchema.parse(json)),
    };
    return { state, vmEntry, counter };
  }
}

/** Every holder of a chain of the disk. Pure. */
export function holdersOf(state: ChainState, diskId: string): ChainHolder[] {
  const { vm, checkpoints, pins } = state;
  const holders: ChainHolder[] = [];
  const disk = vm.settings.disks.find(({ id }) => id === diskId);
  if (disk) holders.push({ name: 'the present', needs: 'present', chain: chainOf(disk) });
  // Between the record of a fork and QEMU's switch its guest still writes to the layer that the record has below.
  const running = vm.process?.applied.disks.find(({ id }) => id === diskId);
  if (disk && running && running.layerId !== disk.layerId) {
    holders.push({ name: 'the machine that runs', needs: 'present', chain: chainOf(running) });
  }
  for (const { name, settings, seals } of checkpoints) {
    const kept = settings.disks.find(({ id }) => id === diskId);
    if (!kept) continue;
    holders.push({
      name: `checkpoint "${name}"`,
      needs: 'state',
      chain: chainOf(kept, seals[diskId] ?? null),
    });
  }
  for (const { reason, disks } of pins) {
    const pinned = disks.find((each) => each.diskId === diskId);
    if (pinned) holders.push({ name: reason, needs: 'files', chain: pinned.chain });
  }
  return holders;
}

/** The disks that anything of the VM holds a chain of: also such that were removed since a checkpoint. */
export function diskIdsOf({ vm, checkpoints, pins }: ChainState): string[] {
  return [
    ...new Set([
      ...vm.settings.disks.map(({ id }) => id),
      ...checkpoints.flatMap(({ settings }) => settings.disks.map(({ id }) => id)),
      ...pins.flatMap(({ disks }) => disks.map(({ diskId }) => diskId)),
    ]),
  ];
}

/** Whoever holds a chain of the disk gets it as `change` makes it. Pure. */
export function withChains(state: ChainState, diskId: string, change: (chain: Chain) => Chain): ChainState {
  const { vm } = state;
  return {
    ...state,
    vm: {
      ...vm,
      settings: changedDisks(vm.settings, diskId, change),
      process: vm.process && { ...vm.process, applied: changedDisks(vm.process.applied, diskId, change) },
      saved: vm.saved && { ...vm.saved, applied: changedDisks(vm.saved.applied, diskId, change) },
    },
    checkpoints: state.checkpoints.map((checkpoint) => changedCheckpoint(checkpoint, diskId, change)),
    pins: state.pins.map((pin) => ({
      ...pin,
      disks: pin.disks.map((disk) =>
        disk.diskId === diskId ? { ...disk, chain: [...change(disk.chain)] } : disk,
      ),
    })),
  };
}

function changedCheckpoint(
  checkpoint: CheckpointRecord,
  diskId: string,
  change: (chain: Chain) => Chain,
): CheckpointRecord {
  const { settings, seals, memory } = checkpoint;
  const disk = settings.disks.find(({ id }) => id === diskId);
  if (!disk) return checkpoint;
  const changed = change(chainOf(disk, seals[diskId] ?? null));
  const withSealed = (vm: VmRecord['settings']): VmRecord['settings'] => ({
    ...vm,
    disks: vm.disks.map((each) => (each.id === diskId ? withChain(each, changed) : each)),
  });
  return {
    ...checkpoint,
    settings: withSealed(settings),
    seals: { ...seals, [diskId]: changed[0]!.seal },
    memory: memory && { ...memory, applied: withSealed(memory.applied) },
  };
}

function changedDisks(
  vm: VmRecord['settings'],
  diskId: string,
  change: (chain: Chain) => Chain,
): VmRecord['settings'] {
  return {
    ...vm,
    disks: vm.disks.map((disk) => (disk.id === diskId ? withChain(disk, change(chainOf(disk))) : disk)),
  };
}

function difference(vmId: string, before: ChainState, after: ChainState): TransactionStep[] {
  const steps: TransactionStep[] = [];
  const vm = JSON.stringify(after.vm);
  if (vm !== JSON.stringify(before.vm)) {
    // The name has a key of its own, which only `VmRecords` may move.
    if (after.vm.settings.name !== before.vm.settings.name) {
      throw storeErrors['bad-request']({ what: 'rename a VM together with its chains' });
    }
    steps.push({ put: vmKey(vmId), value: vm });
  }
  const lists = [
    [before.checkpoints, after.checkpoints, checkpointKey],
    [before.pins, after.pins, pinKey],
    [before.references, after.references, referenceKey],
    [before.edges, after.edges, edgeKey],
  ] as const;
  for (const [old, now, key] of lists) steps.push(...changedRecords(vmId, old, now, key));
  return steps;
}

function changedRecords(
  vmId: string,
  before: readonly { readonly id: string }[],
  after: readonly { readonly id: string }[],
  key: (vmId: string, id: string) => string,
): TransactionStep[] {
  const old = new Map(before.map((record) => [record.id, JSON.stringify(record)]));
  const kept = new Set(after.map(({ id }) => id));
  return [
    ...after
      .map((record) => ({ put: key(vmId, record.id), value: JSON.stringify(record) }))
      .filter(({ value }, index) => old.get(after[index]!.id) !== value),
    ...before.filter(({ id }) => !kept.has(id)).map(({ id }) => ({ delete: key(vmId, id) })),
  ];
}
