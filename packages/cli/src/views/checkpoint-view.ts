/** Checkpoints for people: the tree that they are, and one of them. */
import type { Checkpoint, CheckpointPresent } from '@corral/api/schemas/checkpoint';
import { formatSize } from '@corral/core/units';
import type { Paint, Tone } from '../render/paint.ts';
import { type Cell, type Column, type Fact, renderFacts, renderTable } from '../render/table.ts';
import { formatTime } from '../render/values.ts';

export interface CheckpointTree {
  readonly items: readonly Checkpoint[];
  readonly present: CheckpointPresent;
}

interface Row {
  /** The lines of the tree before the name. */
  readonly branch: string;
  /** Null: the present. */
  readonly checkpoint: Checkpoint | null;
}

const tones: Readonly<Partial<Record<Checkpoint['consistency'], Tone>>> = { crash: 'warn' };

/** Oldest first below each; the present hangs on the checkpoint that it stands on. */
export function checkpointTree({ items, present }: CheckpointTree, paint: Paint): string {
  const columns: readonly Column<Row>[] = [
    { head: 'CHECKPOINT', cell: nameCell },
    { head: 'TAKEN', cell: ({ checkpoint }) => (checkpoint ? formatTime(checkpoint.createdAt) : '-') },
    {
      head: 'SIZE',
      align: 'right',
      cell: ({ checkpoint }) => formatSize((checkpoint ?? present).sizeBytes),
    },
    { head: 'TYPE', cell: ({ checkpoint }) => checkpoint?.type ?? '-' },
    { head: 'CONSISTENCY', cell: consistencyCell },
    { head: 'APPLIED', cell: ({ checkpoint }) => checkpoint?.state ?? '-' },
  ];
  return renderTable(rowsOf(items, present), columns, paint);
}

function nameCell({ branch, checkpoint }: Row): string {
  return `${branch}${checkpoint?.name ?? 'now'}`;
}

function consistencyCell({ checkpoint }: Row): string | Cell {
  return checkpoint ? { text: checkpoint.consistency, tone: tones[checkpoint.consistency] } : '-';
}

function rowsOf(items: readonly Checkpoint[], present: CheckpointPresent): Row[] {
  const childrenOf = (id: string | null): readonly (Checkpoint | null)[] => [
    ...items.filter(({ parentId }) => parentId === id),
    ...(present.parentId === id ? [null] : []),
  ];
  const below = (id: string | null, indent: string): Row[] =>
    childrenOf(id).flatMap((checkpoint, index, all) => {
      const last = index === all.length - 1;
      const row: Row = { branch: `${indent}${last ? '└─ ' : '├─ '}`, checkpoint };
      return checkpoint ? [row, ...below(checkpoint.id, `${indent}${last ? '   ' : '│  '}`)] : [row];
    });
  // What stands on nothing has no line to its left.
  return childrenOf(null).flatMap((checkpoint) =>
    checkpoint ? [{ branch: '', checkpoint }, ...below(checkpoint.id, '')] : [{ branch: '', checkpoint }],
  );
}

export function checkpointDetails(checkpoint: Checkpoint, paint: Paint): string {
  const { askedType, type, pauseMs, reason } = checkpoint;
  const facts: Fact[] = [
    ['Name', checkpoint.name],
    ['Id', checkpoint.id],
    ['VM', checkpoint.vmId],
    ['Taken', formatTime(checkpoint.createdAt)],
    ['Stands on', checkpoint.parentId ?? '-'],
    ['Type', askedType === type ? type : `${type}; asked for: ${askedType}`],
    ['Consistency', { text: checkpoint.consistency, tone: tones[checkpoint.consistency] }],
    ...(reason === null ? [] : [['Not better because', reason] as const]),
    ['Applied, the VM is', checkpoint.state],
    ...(pauseMs === null ? [] : [['Guest stood still', `${pauseMs} ms`] as const]),
    ['Size', formatSize(checkpoint.sizeBytes)],
    ['Written since', formatSize(checkpoint.changedBytes)],
    ['The present', checkpoint.current ? 'stands on it' : 'stands elsewhere'],
  ];
  return renderFacts(facts, paint);
}
