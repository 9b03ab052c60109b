/** Both sides in one table, a row at a time: the whole of it takes minutes. */
import type { Times } from './measure.ts';

export interface Row {
  readonly name: string;
  /** That the speeds are counted in. */
  readonly bytes: number;
  readonly ours: Times;
  readonly theirs: Times;
  /** Seconds of what no program can be faster than. */
  readonly ceiling?: number;
  readonly peer: string;
}

const columns = [
  { head: 'work', width: 55, cell: (row: Row) => row.name },
  { head: 'Corral MB/s', width: 11, cell: (row: Row) => speed(row, row.ours.median) },
  { head: 'peer MB/s', width: 9, cell: (row: Row) => speed(row, row.theirs.median) },
  { head: 'ratio', width: 5, cell: (row: Row) => ratio(row.ours.median, row.theirs.median) },
  { head: 'ratio of the best', width: 17, cell: (row: Row) => ratio(row.ours.best, row.theirs.best) },
  { head: 'peer', width: 27, cell: (row: Row) => row.peer },
  {
    head: 'hash alone MB/s',
    width: 15,
    cell: (row: Row) => (row.ceiling === undefined ? '' : speed(row, row.ceiling)),
  },
];

function speed({ bytes }: Row, time: number): string {
  return (bytes / 1e6 / time).toFixed(0);
}

/** Above 1, Corral is faster. */
function ratio(ours: number, theirs: number): string {
  return (theirs / ours).toFixed(2);
}

function showLine(text: (column: (typeof columns)[number]) => string): void {
  console.log(
    columns
      .map((column) => text(column).padEnd(column.width))
      .join('  ')
      .trimEnd(),
  );
}

export function showHead(): void {
  showLine(({ head }) => head);
}

export function showRow(row: Row): void {
  showLine(({ cell }) => cell(row));
}
