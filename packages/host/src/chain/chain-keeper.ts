/**
 * Sees to it that layers which nobody needs are merged, and keeps merges away from files that somebody needs to himself
 * (docs/design/0006-disk-chains.md).
 *
 *   look ─ planMerges ─▶ one operation `vm.merge` per disk ─ work ─▶ waits while the VM's chains are paused
 */
import { delay } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import type { DataDirectory } from '../data-directory.ts';
import type { Logger } from '../logger.ts';
import type { VmRecord, VmRecords } from '../vm/vm-record.ts';
import type { Merge } from './chain.ts';
import { type ChainRecords, diskIdsOf, holdersOf } from './chain-records.ts';
import { planMerges } from './layer-forest.ts';
import { lacksTopSeals, sealTops } from './resting-tops.ts';
import { endStorageDaemons } from './storage-daemon.ts';

export interface MergeRequest extends Merge {
  readonly vmId: string;
  readonly vmName: string;
  readonly diskId: string;
  readonly diskName: string;
}

export interface ChainKeeperOptions {
  readonly directory: DataDirectory;
  readonly records: ChainRecords;
  readonly vms: VmRecords;
  /**
   * Returns when the merge is recorded.
   *
   * @throws operation.busy while an earlier merge of the disk is under way, unless it is to queue behind that
   */
  readonly startMerge: (request: MergeRequest, whenBusy: 'refuse' | 'queue') => Promise<void>;
  readonly log: Logger;
}

/** Held, shared, by whatever writes to a VM's files beside its other operations: a volume is not given up under it. */
export const writingTarget = (vmId: string): string => `disk-files/${vmId}`;

/** Reason with which work on a chain is aborted so that somebody else can have the files. */
export class ChainPaused extends Error {
  override readonly name = 'ChainPaused';
}

interface Work {
  readonly abort: AbortController;
  readonly done: Promise<unknown>;
}

interface Paused {
  count: number;
  readonly ended: PromiseWithResolvers<void>;
}

/** A merge that failed, for want of space say, is tried again. */
const lookAgainMs = 5 * 60e3;

export class ChainKeeper implements AsyncDisposable {
  readonly #options: ChainKeeperOptions;
  readonly #paused = new Map<string, Paused>();
  readonly #work = new Map<string, Set<Work>>();
  readonly #sealing = new Map<string, Promise<void>>();
  readonly #looking = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: ChainKeeperOptions) {
    this.#options = options;
  }

  /** Looks after all VMs, now and from time to time. */
  start(): void {
    this.#inBackground(this.#lookAgainAndAgain());
  }

  /** Begins what merges the chains of the VM call for. Returns at once; called whenever somebody let go of a chain. */
  look(vmId: string): void {
    this.#inBackground(this.#look(vmId));
  }

  /**
   * As `look`, for a merge that is about to end: what comes next queues behind it, and is recorded when this resolves. A
   * look that came a moment too early would otherwise be the last for minutes.
   */
  async lookNext(vmId: string): Promise<void> {
    try {
      await this.#look(vmId, 'queue');
    } catch (cause) {
      // Deleted meanwhile: with it went all that could be merged.
      if (!isCorralError(cause, 'vm.not-found')) throw cause;
    }
  }

  /** While the returned handle is held no merge touches the VM's files, and none begins. */
  async pause(vmId: string): Promise<AsyncDisposable> {
    const paused = this.#paused.get(vmId) ?? { count: 0, ended: Promise.withResolvers<void>() };
    paused.count += 1;
    this.#paused.set(vmId, paused);
    const working = [...(this.#work.get(vmId) ?? [])];
    for (const { abort } of working) abort.abort(new ChainPaused(`the chains of VM ${vmId} are needed`));
    await Promise.allSettled([...working.map(({ done }) => done), this.#sealing.get(vmId)]);
    // One that an earlier daemon started may still be at it.
    await endStorageDaemons(this.#options.directory, vmId);
    let held = true;
    return {
      [Symbol.asyncDispose]: async () => {
        if (held) this.#resume(vmId, paused);
        held = false;
      },
    };
  }

  /**
   * Does work on the files of the VM's chains as soon as they are not paused.
   *
   * @throws ChainPaused when somebody needs the files: wait and do it again
   */
  async work<T>(vmId: string, signal: AbortSignal, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    for (;;) {
      const wait = this.#paused.get(vmId)?.ended.promise ?? this.#sealing.get(vmId);
      if (!wait) break;
      // A sealing that failed is told by whoever began it.
      await Promise.race([wait.catch(() => undefined), aborted(signal)]);
    }
    signal.throwIfAborted();
    const abort = new AbortController();
    const done = act(AbortSignal.any([signal, abort.signal]));
    const work: Work = { abort, done };
    const all = this.#work.get(vmId) ?? new Set();
    this.#work.set(vmId, all.add(work));
    try {
      return await done;
    } catch (cause) {
      throw abort.signal.aborted && !signal.aborted ? abort.signal.reason : cause;
    } finally {
      all.delete(work);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#looking);
  }

  #resume(vmId: string, paused: Paused): void {
    paused.count -= 1;
    if (paused.count > 0) return;
    this.#paused.delete(vmId);
    paused.ended.resolve();
    this.look(vmId);
  }

  async #lookAgainAndAgain(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // What hinders one VM, or a store that cannot be read for a moment, does not end the looking after all.
      const vms = await this.#options.vms.list().catch((cause: unknown) => {
        this.#tell(cause);
        return [];
      });
      for (const vm of vms) await this.#lookOver(vm).catch((cause: unknown) => this.#tell(cause));
      await delay(lookAgainMs, this.#stop.signal);
    }
  }

  async #lookOver(vm: VmRecord): Promise<void> {
    await this.#look(vm.settings.id);
    await this.#sealTops(vm);
  }

  async #look(vmId: string, whenBusy: 'refuse' | 'queue' = 'refuse'): Promise<void> {
    if (this.#paused.has(vmId) || this.#stop.signal.aborted) return;
    const state = await this.#options.records.read(vmId);
    const conditions = { running: state.vm.process !== null, tracked: state.references.length > 0 };
    for (const diskId of diskIdsOf(state)) {
      const [merge] = planMerges(holdersOf(state, diskId), conditions);
      if (!merge) continue;
      const diskName = state.vm.settings.disks.find(({ id }) => id === diskId)?.name ?? diskId;
      const request = { ...merge, vmId, vmName: state.vm.settings.name, diskId, diskName };
      await this.#startMerge(request, whenBusy);
    }
  }

  /** Only while nobody works on the files or needs them to himself; who comes meanwhile waits. */
  async #sealTops(vm: VmRecord): Promise<void> {
    const { directory, vms } = this.#options;
    const { id } = vm.settings;
    const isAtWork = this.#paused.has(id) || (this.#work.get(id)?.size ?? 0) > 0;
    if (isAtWork || this.#sealing.has(id) || !lacksTopSeals(vm)) return;
    const sealing = sealTops(directory, vms, id).finally(() => this.#sealing.delete(id));
    this.#sealing.set(id, sealing);
    await sealing;
  }

  async #startMerge(request: MergeRequest, whenBusy: 'refuse' | 'queue'): Promise<void> {
    try {
      await this.#options.startMerge(request, whenBusy);
    } catch (cause) {
      if (!isCorralError(cause, 'operation.busy')) throw cause;
      // When the merge under way has ended it looks again itself.
    }
  }

  /** A VM that was deleted meanwhile needs no looking after. */
  #tell(cause: unknown): void {
    const expected = this.#stop.signal.aborted || isCorralError(cause, 'vm.not-found');
    if (!expected) this.#options.log.error({ err: cause }, 'looking after chains failed');
  }

  #inBackground(work: Promise<void>): void {
    const settled = work.catch((cause: unknown) => this.#tell(cause));
    this.#looking.add(settled);
    void settled.finally(() => this.#looking.delete(settled));
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
