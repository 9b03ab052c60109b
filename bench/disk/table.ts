/** Both sides in one table. */
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

function speed({ bytes }: Row, time: number): string {
  return (bytes / 1e6 / time).toFixed(0);
}

export function showTable(rows: readonly Row[]): void {
  const head = ['work', 'Corral MB/s', 'peer MB/s', 'ratio', 'ratio of the best', 'peer', 'hash alone MB/s'];
  const cells = rows.map((row) => [
    row.name,
    speed(row, row.ours.median),
    speed(row, row.theirs.median),
    (row.theirs.median / row.ours.median).toFixed(2),
    (row.theirs.best / row.ours.best).toFixed(2),
    row.peer,
    row.ceiling === undefined ? '' : speed(row, row.ceiling),
  ]);
  const widths = head.map((text, column) =>
    Math.max(text.length, ...cells.map((row) => row[column]!.length)),
  );
  for (const row of [head, ...cells]) {
    console.log(
      row
        .map((text, column) => text.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    );
  }
}
