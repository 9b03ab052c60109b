/** Reference points for people. */
import type { ChangedDisk, Changes, Reference } from '@corral/api/schemas/reference';
import { formatSize } from '@corral/core/units';
import type { Paint } from '../render/paint.ts';
import { type Column, renderFacts, renderTable } from '../render/table.ts';
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

const changesColumns: readonly Column<Changes>[] = [
  { head: 'ID', cell: ({ id }) => id },
  { head: 'SINCE', cell: ({ since }) => since?.name ?? '-' },
  { head: 'OPENED', cell: ({ createdAt }) => formatTime(createdAt) },
  { head: 'EXPIRES', cell: ({ expiresAt }) => formatTime(expiresAt) },
  {
    head: 'CHANGED',
    align: 'right',
    cell: ({ disks }) => formatSize(disks.reduce((sum, { changedBytes }) => sum + changedBytes, 0)),
  },
];

export function changesTable(changes: readonly Changes[], paint: Paint): string {
  return renderTable(changes, changesColumns, paint);
}

/** The extents themselves are for programs: `-o json`. */
export function changesText(
  { id, since, createdAt, expiresAt, consistency, reason }: Changes,
  disks: readonly (Omit<ChangedDisk, 'extents'> & {
    readonly nbd: string;
    readonly extents: readonly unknown[];
  })[],
  paint: Paint,
): string {
  return renderFacts(
    [
      ['Id', id],
      ['Since', since === null ? 'the beginning' : `${since.name}, ${formatTime(since.createdAt)}`],
      ['As of', formatTime(createdAt)],
      ['Until', formatTime(expiresAt)],
      ['Consistency', reason === null ? consistency : `${consistency} (${reason})`],
      [
        'Disks',
        disks.map(
          ({ name, tracked, changedBytes, extents, nbd }) =>
            `${name}: ${formatSize(changedBytes)} in ${extents.length} extents${tracked ? '' : ' (not tracked: all of it)'}, ${nbd}`,
        ),
      ],
    ],
    paint,
  );
}
