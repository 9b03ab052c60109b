/** Runs plans when they are due, and applies their retention after each backup. A run that was missed is caught up. */
import { delay } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import type { OperationSnapshot } from '@corral/operation/operation';
import { deleteExpired } from '../../repository/delete-expired.ts';
import type { VmRecord } from '../../vm/vm-record.ts';
import { subject } from '../../vm/vm-supervisor.ts';
import type { BackupHost } from '../backup-host.ts';
import type { BackupService } from '../backup-service.ts';
import type { PlanRecord, PlanRecords } from './plan-record.ts';
import { nextRun } from './plan-schedule.ts';

export interface PlanRunner {
  readonly backups: BackupHost;
  readonly records: PlanRecords;
  readonly service: Pick<BackupService, 'run'>;
  /** Waits for the end of an operation. */
  readonly wait: (id: string, signal: AbortSignal) => Promise<OperationSnapshot>;
}

const lookEveryMs = 5_000;

/** Until the signal aborts. */
export async function runPlans(runner: PlanRunner, signal: AbortSignal): Promise<void> {
  const running = new Set<Promise<void>>();
  try {
    for (;;) {
      for (const plan of await runner.records.list()) {
        const now = new Date();
        if (nextRun(plan.schedule, new Date(plan.lastRunAt ?? plan.createdAt)) > now) continue;
        if (!(await runner.records.noteRun(plan, now))) continue;
        const run = runPlan(runner, plan, signal).catch((cause: unknown) => {
          if (!signal.aborted)
            runner.backups.host.log.error({ err: cause, plan: plan.name }, 'a plan failed');
        });
        running.add(run);
        void run.finally(() => running.delete(run));
      }
      await delay(lookEveryMs, signal);
    }
  } finally {
    await Promise.all(running);
  }
}

async function runPlan(runner: PlanRunner, plan: PlanRecord, signal: AbortSignal): Promise<void> {
  const vms = (await runner.backups.host.records.list()).filter(
    ({ settings }) => plan.vmIds === null || plan.vmIds.includes(settings.id),
  );
  await Promise.all(vms.map((vm) => backUp(runner, plan, vm, signal)));
}

async function backUp(
  runner: PlanRunner,
  plan: PlanRecord,
  vm: VmRecord,
  signal: AbortSignal,
): Promise<void> {
  const { backups, service, wait } = runner;
  const request = {
    repository: plan.repositoryId,
    full: false,
    freezeLimitMs: 10_000,
    ...(plan.consistency === null ? {} : { consistency: plan.consistency }),
  };
  let begun: OperationSnapshot;
  try {
    begun = await service.run(vm.settings.id, request, { name: `plan ${plan.name}` }, plan.name);
  } catch (cause) {
    if (!isCorralError(cause)) throw cause;
    // One that was begun tells its failure itself.
    const repository = (await backups.connections.records.find(plan.repositoryId))?.name ?? plan.repositoryId;
    await backups.host.emit('vm.backup-failed', subject(vm), { repository, reason: cause.message });
    return;
  }
  const { state } = await wait(begun.id, signal);
  if (state === 'succeeded') await applyRetention(runner, plan, vm.settings.id, signal);
}

async function applyRetention(
  { backups }: PlanRunner,
  plan: PlanRecord,
  vmId: string,
  signal: AbortSignal,
): Promise<void> {
  if (Object.values(plan.retention).every((count) => count === undefined)) return;
  await using repository = await backups.connections.open(plan.repositoryId, signal);
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
