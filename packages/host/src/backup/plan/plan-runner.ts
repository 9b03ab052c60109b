/** Runs plans when they are due, and applies their retention after each backup. A run that was missed is caught up. */
import type { BackupPlanRun } from '@corral/api/schemas/backup-plan';
import { delay } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import type { OperationSnapshot } from '@corral/operation/operation';
import type { Requester } from '../../operations.ts';
import { deleteExpired } from '../../repository/delete-expired.ts';
import { subject } from '../../vm/vm-events.ts';
import type { VmRecord } from '../../vm/vm-record.ts';
import type { BackupHost } from '../backup-host.ts';
import type { BackupService } from '../backup-service.ts';
import type { PlanRecord, PlanRecords } from './plan-record.ts';
import { isDue } from './plan-schedule.ts';

export interface PlanRunnerOptions {
  readonly backups: BackupHost;
  readonly records: PlanRecords;
  readonly service: Pick<BackupService, 'run'>;
  /** Waits for the end of an operation. */
  readonly wait: (id: string, signal: AbortSignal) => Promise<OperationSnapshot>;
}

const lookEveryMs = 5_000;

export class PlanRunner {
  readonly #options: PlanRunnerOptions;
  readonly #following = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: PlanRunnerOptions) {
    this.#options = options;
  }

  /** Looks what is due, until the signal aborts. */
  async work(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await this.#look(signal);
        await delay(lookEveryMs, signal);
      }
    } finally {
      this.#stop.abort(signal.reason);
      await Promise.all(this.#following);
    }
  }

  /** Runs a plan now, whether it is due or not. Its retention follows in the background. */
  async run(plan: PlanRecord, caller: Requester): Promise<BackupPlanRun> {
    const vms = (await this.#options.backups.host.records.list()).filter(
      ({ settings }) => plan.vmIds === null || plan.vmIds.includes(settings.id),
    );
    const operations: string[] = [];
    const refused: BackupPlanRun['refused'] = [];
    for (const vm of vms) {
      const begun = await this.#begin(plan, vm, caller);
      if (typeof begun === 'string') {
        refused.push({ vm: vm.settings.name, reason: begun });
        continue;
      }
      operations.push(begun.id);
      this.#follow(plan, vm.settings.id, begun.id);
    }
    return { operations, refused };
  }

  /** A store that is full for a while must not end all schedules: what is due then is due at the next look. */
  async #look(signal: AbortSignal): Promise<void> {
    const { backups, records } = this.#options;
    try {
      for (const plan of await records.list()) await this.#runIfDue(plan);
    } catch (cause) {
      signal.throwIfAborted();
      backups.host.log.error({ err: cause }, 'looking which plans are due failed');
    }
  }

  async #runIfDue(plan: PlanRecord): Promise<void> {
    const now = new Date();
    if (!isDue(plan.schedule, new Date(plan.lastRunAt ?? plan.createdAt), now)) return;
    if (!(await this.#options.records.noteRun(plan, now))) return;
    await this.run(plan, { name: `plan ${plan.name}` });
  }

  /** @returns why it could not begin; then an event has told it, as it would of one that failed later */
  async #begin(plan: PlanRecord, vm: VmRecord, caller: Requester): Promise<OperationSnapshot | string> {
    const { backups, service } = this.#options;
    const request = {
      repository: plan.repositoryId,
      full: false,
      freezeLimitMs: 10_000,
      ...(plan.consistency === null ? {} : { consistency: plan.consistency }),
      ...(plan.bytesPerSecond === null ? {} : { bytesPerSecond: plan.bytesPerSecond }),
    };
    try {
      return await service.run(vm.settings.id, request, caller, plan.name);
    } catch (cause) {
      const { log } = backups.host;
      // Whatever it is, the other VMs of the plan are backed up.
      if (!isCorralError(cause)) log.error({ err: cause, plan: plan.name }, 'a backup could not begin');
      const reason = cause instanceof Error ? cause.message : String(cause);
      const known = await backups.connections.records.find(plan.repositoryId);
      const repository = known?.name ?? plan.repositoryId;
      await backups.host.emit('vm.backup-failed', subject(vm), { repository, reason });
      return reason;
    }
  }

  #follow(plan: PlanRecord, vmId: string, operationId: string): void {
    const following = this.#applyRetentionAfter(plan, vmId, operationId).catch((cause: unknown) => {
      if (this.#stop.signal.aborted) return;
      this.#options.backups.host.log.error({ err: cause, plan: plan.name }, 'a plan failed');
    });
    this.#following.add(following);
    void following.finally(() => this.#following.delete(following));
  }

  async #applyRetentionAfter(plan: PlanRecord, vmId: string, operationId: string): Promise<void> {
    const { signal } = this.#stop;
    const { state } = await this.#options.wait(operationId, signal);
    if (state === 'succeeded') await this.#applyRetention(plan, vmId, signal);
  }

  async #applyRetention(plan: PlanRecord, vmId: string, signal: AbortSignal): Promise<void> {
    if (Object.values(plan.retention).every((count) => count === undefined)) return;
    await using repository = await this.#options.backups.connections.open(plan.repositoryId, signal);
    try {
      await deleteExpired(repository, plan.retention, {
        only: ({ vm, notes }) => vm.id === vmId && notes['plan'] === plan.name,
        signal,
      });
    } catch (cause) {
      // Nothing is ever deleted there, whatever the plan says.
      if (!isCorralError(cause, 'repository.append-only')) throw cause;
    }
  }
}
