/** How the changes of a VM are tracked for backups, as the API sees it. */
import type { TrackedDisk, Tracking, TrackingPatch } from '@corral/api/schemas/tracking';
import type { ReferenceRecord } from '../tracking/reference-record.ts';
import { AuditRecords } from './audit-records.ts';
import type { BackupHost } from './backup-host.ts';
import { readTrackingSettings, writeTrackingSettings } from './tracking-settings.ts';

export class TrackingService {
  readonly #backups: BackupHost;

  constructor(backups: BackupHost) {
    this.#backups = backups;
  }

  async show(vm: string): Promise<Tracking> {
    const { host, store, connections } = this.#backups;
    const { id } = (await host.records.get(vm)).settings;
    const { references } = await host.chainRecords.read(id);
    const known = await connections.records.list();
    const repositories: Tracking['repositories'] = [];
    for (const reference of references) {
      const { backup, createdAt } = reference;
      if (!backup) continue;
      const connected = known.find(({ repositoryId }) => repositoryId === backup.repositoryId);
      repositories.push({
        id: backup.repositoryId,
        name: connected?.name ?? '(not connected any more)',
        backupId: backup.pointId,
        since: createdAt,
        disks: await this.#disksOf(id, backup.repositoryId, reference),
      });
    }
    return { ...(await readTrackingSettings(store, id)), repositories };
  }

  /** Holds from the next backup on. */
  async set(vm: string, { mode, auditDays }: TrackingPatch): Promise<Tracking> {
    const { host, store } = this.#backups;
    const { id } = (await host.records.get(vm)).settings;
    const before = await readTrackingSettings(store, id);
    await writeTrackingSettings(store, id, {
      mode: mode ?? before.mode,
      auditDays: auditDays ?? before.auditDays,
    });
    return await this.show(id);
  }

  #disksOf(vmId: string, repositoryId: string, { disks }: ReferenceRecord): Promise<TrackedDisk[]> {
    const records = new AuditRecords(this.#backups.store);
    return Promise.all(
      disks.map(async ({ diskId, name, sizeBytes }) => {
        const record = await records.read(vmId, repositoryId, diskId);
        return {
          name,
          sizeBytes,
          auditedAt: record?.auditedAt ?? null,
          auditedBytes: record?.position ?? 0,
          provedAt: record?.provedAt ?? null,
          suspect: record?.suspect ?? null,
        };
      }),
    );
  }
}
