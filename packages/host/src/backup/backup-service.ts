/** Backups as the API sees them. */
import type {
  Backup,
  BackupFindings,
  BackupQuery,
  BackupRun,
  BackupVerification,
} from '@corral/api/schemas/backup';
import type { Point } from '@corral/backup/point/point';
import { newestVerifications, verificationsOf } from '@corral/backup/point/verifications';
import type { Repository } from '@corral/backup/repository';
import type { Operation, OperationSnapshot } from '@corral/operation/operation';
import { requireFreezable } from '../guard/frozen-guest.ts';
import type { Requester, StartOperation } from '../operations.ts';
import type { RepositoryRecord } from '../repository/repository-record.ts';
import { requireOwnContent } from '../tracking/fork-steps.ts';
import { requireLegal } from '../vm/vm-host.ts';
import { AuditRecords, casts, type DoubtRecord } from './audit-records.ts';
import type { BackupDeleteInput } from './backup-delete.ts';
import type { BackupHost } from './backup-host.ts';
import type { BackupInput } from './backup-operation.ts';
import { backupErrors } from './errors.ts';

export interface BackupOperations {
  readonly run: Operation<BackupInput>;
  readonly delete: Operation<BackupDeleteInput>;
}

/** A backup and where it was found. */
interface Found {
  readonly backup: Backup;
  readonly record: RepositoryRecord;
}

/** Each has a picture. */
const mostFindings = 5;

export class BackupService {
  readonly #backups: BackupHost;
  readonly #operations: BackupOperations;
  readonly #start: StartOperation;

  constructor(backups: BackupHost, operations: BackupOperations, start: StartOperation) {
    this.#backups = backups;
    this.#operations = operations;
    this.#start = start;
  }

  /** What cannot be backed up is refused before anything starts. */
  async run(
    vm: string,
    request: BackupRun,
    caller: Requester,
    plan: string | null = null,
  ): Promise<OperationSnapshot> {
    const { host, connections } = this.#backups;
    const record = await host.records.get(vm);
    requireLegal(host, record, 'backup');
    const { id, name, disks } = record.settings;
    const device = disks.find(({ passThrough }) => passThrough);
    if (device) throw backupErrors['pass-through']({ vm: name, disk: device.name });
    requireOwnContent(record.settings);
    await requireFreezable(host, record, request.consistency);
    const repository = await connections.records.get(request.repository);
    return await this.#start(
      this.#operations.run,
      {
        vmId: id,
        vmName: name,
        repositoryId: repository.id,
        repositoryName: repository.name,
        name: request.name ?? timeName(new Date()),
        full: request.full,
        consistency: request.consistency ?? null,
        freezeLimitMs: request.freezeLimitMs,
        plan,
        bytesPerSecond: request.bytesPerSecond ?? null,
      },
      { requestedBy: caller.name },
    );
  }

  /** Oldest first. @param vm name or id; VMs that are gone from the host count */
  async list(
    query: BackupQuery & { readonly vm?: string | undefined },
    signal: AbortSignal,
  ): Promise<Backup[]> {
    const backups: Backup[] = [];
    for (const record of await this.#records(query)) {
      const found = await this.#read(record, signal);
      backups.push(...found.filter(({ vm }) => !query.vm || vm.id === query.vm || vm.name === query.vm));
    }
    return backups.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  }

  async show(backup: string, query: BackupQuery, signal: AbortSignal): Promise<Backup> {
    return (await this.find(backup, query, signal)).backup;
  }

  async findings(backup: string, query: BackupQuery, signal: AbortSignal): Promise<BackupFindings> {
    const { backup: found, record } = await this.find(backup, query, signal);
    await using repository = await this.#backups.connections.open(record.id, signal);
    const findings = await verificationsOf(repository.context, found.id, signal);
    return { items: findings.reverse().slice(0, mostFindings), next: null };
  }

  async delete(
    backup: string,
    query: BackupQuery,
    caller: Requester,
    signal: AbortSignal,
  ): Promise<OperationSnapshot> {
    const { backup: found, record } = await this.find(backup, query, signal);
    return await this.#start(
      this.#operations.delete,
      {
        backupId: found.id,
        name: found.name,
        vmName: found.vm.name,
        repositoryId: record.id,
        repositoryName: record.name,
      },
      { requestedBy: caller.name },
    );
  }

  /** @throws backup.not-found, backup.not-found-anywhere: also where two have the name */
  async find(backup: string, query: BackupQuery, signal: AbortSignal): Promise<Found> {
    const named: Found[] = [];
    const failures: unknown[] = [];
    for (const record of await this.#records(query)) {
      // A repository that is out of reach hides no backup of another one that is told by its id.
      const backups = await this.#read(record, signal).catch((cause: unknown) => {
        signal.throwIfAborted();
        failures.push(cause);
        return [];
      });
      for (const each of backups) {
        if (each.id === backup.toLowerCase()) return { backup: each, record };
        if (each.name === backup) named.push({ backup: each, record });
      }
    }
    if (failures.length > 0) throw failures[0];
    if (named.length === 1) return named[0]!;
    throw query.repository === undefined
      ? backupErrors['not-found-anywhere']({ backup })
      : backupErrors['not-found']({ backup, repository: query.repository });
  }

  async #records({ repository }: BackupQuery): Promise<RepositoryRecord[]> {
    const { records } = this.#backups.connections;
    return repository === undefined ? await records.list() : [await records.get(repository)];
  }

  async #read(record: RepositoryRecord, signal: AbortSignal): Promise<Backup[]> {
    await using repository = await this.#backups.connections.open(record.id, signal);
    const { points } = await repository.points(signal);
    const verifications = await verificationsIn(repository, signal);
    const doubts = await new AuditRecords(this.#backups.store).doubts(record.repositoryId);
    return points.map((point) => viewOf(point, record, verifications.get(point.id) ?? null, doubts));
  }
}

async function verificationsIn(
  repository: Repository,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, BackupVerification>> {
  const newest = await newestVerifications(repository.context, signal);
  return new Map(
    [...newest].map(([id, { at, outcome, method, detail, tookMs }]) => [
      id,
      { at, outcome, method, detail, tookMs },
    ]),
  );
}

function viewOf(
  point: Point,
  record: RepositoryRecord,
  verification: BackupVerification | null,
  doubts: readonly DoubtRecord[],
): Backup {
  return {
    id: point.id,
    name: point.name,
    vm: point.vm,
    repository: { id: record.id, name: record.name },
    createdAt: point.createdAt,
    host: point.host,
    consistency: point.consistency,
    reason: point.notes['consistencyReason'] ?? null,
    frozenMs: point.frozenMs,
    base: point.base,
    plan: point.notes['plan'] ?? null,
    lockedUntil: point.lockedUntil,
    disks: point.disks.map(({ root: _, ...disk }) => disk),
    documents: point.documents.map(({ name }) => name),
    verification,
    auditMs: Number(point.notes['auditMs'] ?? 0),
    doubts: doubts
      .filter((doubt) => casts(doubt, point))
      .map(({ disk, offset, length, foundAt }) => ({ disk, offset, length, foundAt })),
  };
}

/** `2026-11-21T10-00-00Z`: a name that sorts. */
export function timeName(at: Date): string {
  return `${at.toISOString().slice(0, 19).replaceAll(':', '-')}Z`;
}
