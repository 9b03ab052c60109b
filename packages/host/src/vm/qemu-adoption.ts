/**
 * Takes up the QEMUs that outlived the daemon which started them (docs/design/0002-adoption.md). One that lives and does
 * not answer, on storage that hangs perhaps, keeps nobody from the other VMs: it is asked again beside them.
 */
import { delay } from '@corral/core/abort';
import { isAlive } from '../process/process-identity.ts';
import { subject } from './vm-events.ts';
import type { VmRecord } from './vm-record.ts';
import type { SupervisorOptions } from './vm-supervisor.ts';

/** The daemon is not ready before each VM has answered, or has not within this. */
const answerLimitMs = 10_000;
const askAgainMs = 1000;

export interface AdoptionOptions extends Pick<SupervisorOptions, 'records' | 'emit' | 'log' | 'onAdopted'> {
  /** Aborted when the daemon lets go of its VMs. */
  readonly signal: AbortSignal;
  /** Connects to the monitor. Repeatable. */
  readonly attach: (
    record: VmRecord,
    options: { readonly limitMs: number; readonly signal: AbortSignal },
  ) => Promise<unknown>;
  readonly end: (id: string) => Promise<void>;
  /** Tells that QEMU died; `seen`: while this daemon watched. */
  readonly reportGone: (id: string, seen: boolean) => Promise<void>;
  /** Work that nobody waits for; its failure is logged. */
  readonly inBackground: (work: Promise<unknown>) => void;
}

export class QemuAdoption {
  readonly #options: AdoptionOptions;
  /** Id → why nothing is known of a QEMU that lives. */
  readonly #silent = new Map<string, string>();

  constructor(options: AdoptionOptions) {
    this.#options = options;
  }

  /** Why a VM whose QEMU lives is not known; undefined for one that answers. */
  silence(id: string): string | undefined {
    return this.#silent.get(id);
  }

  /** @param owned an unfinished operation starts or ends its QEMU: that it is gone is no news */
  async adopt(record: VmRecord, owned: boolean): Promise<void> {
    if (!record.process) return;
    const { id, name } = record.settings;
    if (await isAlive(record.process)) {
      try {
        await this.#takeUp(record);
        return;
      } catch (cause) {
        this.#options.log.error({ err: cause, vm: name }, 'a running QEMU does not answer');
        if (await isAlive(record.process)) return this.#tellSilent(record, cause);
      }
    }
    if (owned) await this.#options.end(id);
    else await this.#options.reportGone(id, false);
  }

  async #takeUp(record: VmRecord): Promise<void> {
    const { attach, onAdopted, emit, signal } = this.#options;
    await attach(record, { limitMs: answerLimitMs, signal });
    await onAdopted(record);
    await emit('vm.adopted', subject(record), { pid: record.process!.pid });
  }

  async #tellSilent(record: VmRecord, cause: unknown): Promise<void> {
    const { id } = record.settings;
    const { pid } = record.process!;
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#silent.set(id, reason);
    await this.#options.emit('vm.unresponsive', subject(record), { pid, reason });
    this.#options.inBackground(this.#askAgain(record).finally(() => this.#silent.delete(id)));
  }

  /** Until it answers, ends, is ended by an operation, or the daemon lets go of its VMs. */
  async #askAgain({ settings: { id }, process }: VmRecord): Promise<void> {
    for (;;) {
      await delay(askAgainMs, this.#options.signal);
      const record = await this.#options.records.find(id);
      if (record?.process?.pid !== process!.pid || record.process.startTime !== process!.startTime) return;
      if (!(await isAlive(record.process))) return this.#options.reportGone(id, true);
      try {
        return await this.#takeUp(record);
      } catch (cause) {
        this.#options.log.debug({ err: cause, vm: record.settings.name }, 'QEMU does not answer yet');
      }
    }
  }
}
