/** Backup plans as the API sees them. */
import type { BackupPlan, BackupPlanCreate } from '@corral/api/schemas/backup-plan';
import { newId } from '@corral/core/ids';
import type { BackupHost } from '../backup-host.ts';
import type { PlanRecord, PlanRecords } from './plan-record.ts';
import { nextRun } from './plan-schedule.ts';

export class PlanService {
  readonly #backups: BackupHost;
  readonly #records: PlanRecords;

  constructor(backups: BackupHost, records: PlanRecords) {
    this.#backups = backups;
    this.#records = records;
  }

  async list(): Promise<BackupPlan[]> {
    return await Promise.all((await this.#records.list()).map((record) => this.#view(record)));
  }

  async show(plan: string): Promise<BackupPlan> {
    return await this.#view(await this.#records.get(plan));
  }

  async create(request: BackupPlanCreate): Promise<BackupPlan> {
    const { host, connections } = this.#backups;
    const vms = request.vms && (await Promise.all(request.vms.map((vm) => host.records.get(vm))));
    const record: PlanRecord = {
      id: newId(),
      name: request.name,
      createdAt: new Date().toISOString(),
      vmIds: vms ? [...new Set(vms.map(({ settings }) => settings.id))] : null,
      repositoryId: (await connections.records.get(request.repository)).id,
      schedule: request.schedule,
      retention: request.retention,
      consistency: request.consistency ?? null,
      lastRunAt: null,
    };
    await this.#records.create(record);
    return await this.#view(record);
  }

  async delete(plan: string): Promise<void> {
    await this.#records.delete(await this.#records.get(plan));
  }

  async #view(record: PlanRecord): Promise<BackupPlan> {
    const { id, name, createdAt, vmIds, schedule, retention, consistency, lastRunAt } = record;
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
      lastRunAt,
      nextRunAt: nextRun(schedule, new Date(lastRunAt ?? createdAt)).toISOString(),
    };
  }
}
