/**
 * What an audit's finding leads to: one event, doubt on the backups of the disk since it was last proved, and no belief in
 * what is known of its changes until it was read from end to end.
 */

import type { EventSubject } from '@corral/core/events';
import { derivedId } from '@corral/core/ids';
import { provedRecord } from './audit.ts';
import { AuditRecords } from './audit-records.ts';
import type { BackupHost } from './backup-host.ts';
import type { Mismatch } from './point-writing.ts';

export interface MismatchPlace {
  readonly operationId: string;
  readonly vm: EventSubject;
  /** Of the repository itself. */
  readonly repositoryId: string;
  readonly repositoryName: string;
}

/** The event comes first: a crash in between tells it twice rather than never. */
export async function noteMismatch(
  { host, store }: BackupHost,
  { operationId, vm, repositoryId, repositoryName }: MismatchPlace,
  { diskId, disk, range: { offset, length }, baseCreatedAt }: Mismatch,
): Promise<void> {
  const audits = new AuditRecords(store);
  const foundAt = new Date().toISOString();
  const record = (await audits.read(vm.id, repositoryId, diskId)) ?? {
    ...provedRecord(foundAt),
    provedAt: null,
  };
  const data = { disk, repository: repositoryName, offset, length, doubtfulSince: record.provedAt };
  await host.emit('vm.backup-mismatch', vm, data);
  await audits.writeDoubt(
    repositoryId,
    diskId,
    { ...record, suspect: { foundAt, offset, length } },
    {
      id: derivedId(`doubt on ${diskId} by ${operationId}`),
      vmId: vm.id,
      disk,
      offset,
      length,
      foundAt,
      after: record.provedAt,
      until: baseCreatedAt,
    },
  );
}
