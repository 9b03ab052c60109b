/** Reference points for people. */
import type { Reference } from '@corral/api/schemas/reference';
import { formatSize } from '@corral/core/units';
import type { Paint } from '../render/paint.ts';
import { type Column, renderTable } from '../render/table.ts';
import { formatTime } from '../render/values.ts';

const columns: readonly Column<Reference>[] = [
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'ID', cell: ({ id }) => id },
  { head: 'CREATED', cell: ({ createdAt }) => formatTime(createdAt) },
  { head: 'OF', cell: ({ backup }) => (backup === null ? 'a program' : 'backups') },
  {
    head: 'DISKS',
    cell: ({ disks }) => disks.map(({ name, sizeBytes }) => `${name} ${formatSize(sizeBytes)}`).join(', '),
  },
];

export function referenceTable(references: readonly Reference[], paint: Paint): string {
  return renderTable(references, columns, paint);
}
