/** Tables and lists of facts for people. */
import Table from 'cli-table3';
import type { Paint, Tone } from './paint.ts';
import { printable } from './printable.ts';

export interface Cell {
  readonly text: string;
  readonly tone?: Tone | undefined;
}

export interface Column<T> {
  readonly head: string;
  readonly align?: 'left' | 'right';
  readonly cell: (item: T) => string | Cell;
}

/** A name and what there is to say of it; several values stand below each other. */
export type Fact = readonly [name: string, value: string | Cell | readonly string[]];

/** No lines drawn: what is shown can be cut with awk. */
const noBorders = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) =>
    side === 'mid'
      ? [
          ['mid', ''],
          ['mid-mid', ''],
          ['middle', '  '],
        ]
      : [
          [side, ''],
          [`${side}-mid`, ''],
          [`${side}-left`, ''],
          [`${side}-right`, ''],
        ],
  ),
);
const borderless = { ...noBorders, 'left-mid': '', 'right-mid': '' };

/** Ends with a line break. Without items only the head is shown. */
export function renderTable<T>(items: readonly T[], columns: readonly Column<T>[], paint: Paint): string {
  const table = newTable(columns.map((column) => column.align ?? 'left'));
  table.push(columns.map((column) => paint(column.head, 'strong')));
  for (const item of items) table.push(columns.map((column) => painted(column.cell(item), paint)));
  return trimmedLines(table.toString());
}

/** Two columns: names and values. Ends with a line break. */
export function renderFacts(facts: readonly Fact[], paint: Paint): string {
  const table = newTable(['left', 'left']);
  for (const [name, value] of facts) {
    const values = isList(value) ? value : [value];
    if (values.length === 0) table.push([paint(name, 'strong'), paint('none', 'dim')]);
    values.forEach((one, index) => {
      table.push([index === 0 ? paint(name, 'strong') : '', painted(one, paint)]);
    });
  }
  return trimmedLines(table.toString());
}

function isList(value: Fact[1]): value is readonly string[] {
  return Array.isArray(value);
}

function newTable(aligns: ('left' | 'right')[]) {
  return new Table({
    chars: borderless,
    colAligns: aligns,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  });
}

function painted(cell: string | Cell, paint: Paint): string {
  return typeof cell === 'string' ? printable(cell) : paint(printable(cell.text), cell.tone);
}

function trimmedLines(text: string): string {
  return `${text.replace(/[ \t]+$/gm, '')}\n`;
}
