/** Backups for people. */
import type { Backup, BackupDisk } from '@corral/api/schemas/backup';
import { formatSize } from '@corral/core/units';
import type { Paint } from '../render/paint.ts';
import { type Column, renderFacts, renderTable } from '../render/table.ts';
import { formatTime } from '../render/values.ts';

const sum = ({ disks }: Backup, figure: keyof Omit<BackupDisk, 'name'>): string =>
  formatSize(disks.reduce((total, disk) => total + disk[figure], 0));

const columns: readonly Column<Backup>[] = [
  { head: 'ID', cell: ({ id }) => id },
  { head: 'VM', cell: ({ vm }) => vm.name },
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'CREATED', cell: ({ createdAt }) => formatTime(createdAt) },
  { head: 'REPOSITORY', cell: ({ repository }) => repository.name },
  { head: 'CONSISTENCY', cell: ({ consistency }) => consistency },
  { head: 'SIZE', align: 'right', cell: (backup) => sum(backup, 'sizeBytes') },
  { head: 'READ', align: 'right', cell: (backup) => sum(backup, 'readBytes') },
  { head: 'STORED', align: 'right', cell: (backup) => sum(backup, 'storedBytes') },
  {
    head: 'DOUBTS',
    cell: ({ doubts }) => (doubts.length === 0 ? '-' : doubts.map(({ disk }) => disk).join(', ')),
  },
];

export function backupTable(backups: readonly Backup[], paint: Paint): string {
  return renderTable(backups, columns, paint);
}

export function backupDetails(backup: Backup, paint: Paint): string {
  const { vm, repository, consistency, reason, frozenMs, verification } = backup;
  return renderFacts(
    [
      ['Name', backup.name],
      ['Id', backup.id],
      ['VM', `${vm.name} (${vm.id})`],
      ['Created', formatTime(backup.createdAt)],
      ['Repository', repository.name],
      ['Made by', backup.host],
      ['Consistency', reason === null ? consistency : `${consistency} (${reason})`],
      ['Guest frozen', frozenMs === 0 ? 'no' : `${frozenMs} ms`],
      ['Changes since', backup.base ?? 'nothing: all was read'],
      ['Locked until', backup.lockedUntil === null ? '-' : formatTime(backup.lockedUntil)],
      ['Disks', backup.disks.map(diskLine)],
      ['Beside them', backup.documents],
      [
        'Doubts',
        backup.doubts.length === 0
          ? '-'
          : backup.doubts.map(
              ({ disk, offset, length, foundAt }) =>
                `${disk}: ${length} bytes at ${offset} may be older than the backup (found ${formatTime(foundAt)})`,
            ),
      ],
      [
        'Verified',
        verification === null
          ? 'never'
          : `${verification.outcome} ${formatTime(verification.at)} (${verification.method})`,
      ],
    ],
    paint,
  );
}

function diskLine(disk: BackupDisk): string {
  const { changedBytes, readBytes, auditBytes, storedBytes } = disk;
  return `${disk.name}: ${formatSize(disk.sizeBytes)}, ${formatSize(changedBytes)} changed, ${formatSize(readBytes)} read, ${formatSize(auditBytes)} audited, ${formatSize(storedBytes)} stored`;
}
