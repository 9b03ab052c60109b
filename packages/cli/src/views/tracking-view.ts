/** How changes are tracked, for people. */
import type { TrackedDisk, Tracking } from '@corral/api/schemas/tracking';
import { formatSize } from '@corral/core/units';
import type { Paint } from '../render/paint.ts';
import { type Column, renderFacts, renderTable } from '../render/table.ts';
import { formatTime } from '../render/values.ts';

type Row = TrackedDisk & { readonly repository: string };

const columns: readonly Column<Row>[] = [
  { head: 'REPOSITORY', cell: ({ repository }) => repository },
  { head: 'DISK', cell: ({ name }) => name },
  { head: 'SIZE', align: 'right', cell: ({ sizeBytes }) => formatSize(sizeBytes) },
  { head: 'PROVED SINCE', cell: ({ provedAt }) => (provedAt === null ? 'not yet' : formatTime(provedAt)) },
  { head: 'THIS ROUND', align: 'right', cell: ({ auditedBytes }) => formatSize(auditedBytes) },
  {
    head: 'FOUND',
    cell: ({ suspect }) =>
      suspect === null
        ? '-'
        : `${suspect.length} bytes at ${suspect.offset} differ: it is read in full next time`,
  },
];

export function trackingText({ mode, auditDays, repositories }: Tracking, paint: Paint): string {
  const facts = renderFacts(
    [
      ['Mode', mode === 'changes' ? 'changes: backups read what changed' : 'none: backups read everything'],
      ['Proved', `every byte within ${auditDays} days`],
    ],
    paint,
  );
  const rows = repositories.flatMap(({ name, disks }) =>
    disks.map((disk) => ({ ...disk, repository: name })),
  );
  return rows.length === 0 ? facts : `${facts}\n${renderTable(rows, columns, paint)}`;
}
