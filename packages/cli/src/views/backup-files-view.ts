/** Files in a backup for people. Their names are a stranger's. */
import type { BackupBrowsed, BackupFile } from '@corral/api/schemas/restore';
import { formatSize } from '@corral/core/units';
import type { Paint } from '../render/paint.ts';
import { type Column, renderTable } from '../render/table.ts';
import { formatTime } from '../render/values.ts';

const marks: Readonly<Record<BackupFile['type'], string>> = {
  directory: '/',
  file: '',
  link: '@',
  other: '?',
};

const columns: readonly Column<BackupFile>[] = [
  { head: 'SIZE', align: 'right', cell: ({ sizeBytes }) => formatSize(sizeBytes) },
  { head: 'MODIFIED', cell: ({ modifiedAt }) => (modifiedAt === null ? '-' : formatTime(modifiedAt)) },
  { head: 'NAME', cell: ({ name, type }) => `${name.replace(/\p{C}/gu, '�')}${marks[type]}` },
];

export function backupFilesText({ entries, entryCount }: BackupBrowsed, paint: Paint): string {
  const table = renderTable(entries, columns, paint);
  const more = entryCount - entries.length;
  return more > 0 ? `${table}\n${more} more are not shown.` : table;
}
