/** Backup plans as the API sees them. */
import type {
  BackupPlan,
  BackupPlanCreate,
  BackupPlanPatch,
  BackupPlanRun,
} from '@corral/api/schemas/backup-plan';
import { newId } from '@corral/core/ids';
import type { Requester } from '../../operations.ts';
import type { BackupHost } from '../backup-host.ts';
import type { PlanRecord, PlanRecords } from './plan-record.ts';
import type { PlanRunner } from './plan-runner.ts';
import { nextRun } from './plan-schedule.ts';

export class PlanService {
  readonly #backups: BackupHost;
  readonly #records: PlanRecords;

  readonly #runner: Pick<PlanRunner, 'run'>;

  constructor(backups: BackupHost, records: PlanRecords, runner: Pick<PlanRunner, 'run'>) {
    this.#backups = backups;
    this.#records = records;
    this.#runner = runner;
  }

  async list(): Promise<BackupPlan[]> {
    return await Promise.all((await this.#records.list()).map((record) => this.#view(record)));
  }

  async show(plan: string): Promise<BackupPlan> {
    return await this.#view(await this.#records.get(plan));
  }

  async create(request: BackupPlanCreate): Promise<BackupPlan> {
    const { connections } = this.#backups;
    const record: PlanRecord = {
      id: newId(),
      name: request.name,
      createdAt: new Date().toISOString(),
      vmIds: request.vms ? await this.#idsOf(request.vms) : null,
      repositoryId: (await connections.records.get(request.repository)).id,
      schedule: request.schedule,
      retention: request.retention,
      consistency: request.consistency ?? null,
      bytesPerSecond: request.bytesPerSecond ?? null,
      lastRunAt: null,
    };
    await this.#records.create(record);
    return await this.#view(record);
  }

  async set(plan: string, patch: BackupPlanPatch): Promise<BackupPlan> {
    const { id } = await this.#records.get(plan);
    const { vms, repository, schedule, retention, consistency, bytesPerSecond } = patch;
    const vmIds = vms && (await this.#idsOf(vms));
    const connected = repository && (await this.#backups.connections.records.get(repository));
    const record = await this.#records.update(id, (before) => ({
      ...before,
      ...(vmIds !== undefined && { vmIds }),
      ...(connected && { repositoryId: connected.id }),
      ...(schedule !== undefined && { schedule }),
      ...(retention !== undefined && { retention }),
      ...(consistency !== undefined && { consistency }),
      ...(bytesPerSecond !== undefined && { bytesPerSecond }),
    }));
    return await this.#view(record);
  }

  /** Its schedule counts from here. */
  async run(plan: string, caller: Requester): Promise<BackupPlanRun> {
    const { id } = await this.#records.get(plan);
    const lastRunAt = new Date().toISOString();
    const record = await this.#records.update(id, (before) => ({ ...before, lastRunAt }));
    return await this.#runner.run(record, caller);
  }

  async delete(plan: string): Promise<void> {
    await this.#records.delete(await this.#records.get(plan));
  }

  async #idsOf(vms: readonly string[]): Promise<string[]> {
    const records = await Promise.all(vms.map((vm) => this.#backups.host.records.get(vm)));
    return [...new Set(records.map(({ settings }) => settings.id))];
  }

  async #view(record: PlanRecord): Promise<BackupPlan> {
    const { id, name, createdAt, vmIds, schedule, retention, consistency, bytesPerSecond, lastRunAt } =
      record;
    const repository = await this.#backups.connections.records.find(record.repositoryId);
    return {
      id,
      name,
      createdAt,
      vms: vmIds,
      repository: { id: record.repositoryId, name: repository?.name ?? '(not connected any more)' },
      schedule,
      retention,
      consistency,
      bytesPerSecond,
      lastRunAt,
      nextRunAt: nextRun(schedule, new Date(lastRunAt ?? createdAt)).toISOString(),
    };
  }
}
