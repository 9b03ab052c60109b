/** Operations for people. */
import type { Operation, OperationState } from '@corral/api/schemas/operation';
import type { Problem } from '@corral/api/schemas/problem';
import { progressText } from '../operation/progress-text.ts';
import type { Paint, Tone } from '../render/paint.ts';
import { type Cell, type Column, type Fact, renderFacts, renderTable } from '../render/table.ts';
import { formatElapsed, formatOptionalTime, formatTime } from '../render/values.ts';

const tones: Readonly<Partial<Record<OperationState, Tone>>> = {
  running: 'good',
  succeeded: 'dim',
  failed: 'bad',
  stuck: 'bad',
  undoing: 'warn',
  cancelling: 'warn',
};

function stateCell({ state }: Operation): Cell {
  return { text: state, tone: tones[state] };
}

const columns: readonly Column<Operation>[] = [
  { head: 'ID', cell: (operation) => operation.id },
  { head: 'STATE', cell: stateCell },
  { head: 'CREATED', cell: (operation) => formatTime(operation.createdAt) },
  { head: 'TOOK', align: 'right', cell: took },
  { head: 'WHAT', cell: (operation) => operation.name },
];

export function operationTable(operations: readonly Operation[], paint: Paint): string {
  return renderTable(operations, columns, paint);
}

export function operationDetails(operation: Operation, paint: Paint): string {
  const facts: Fact[] = [
    ['Id', operation.id],
    ['What', operation.name],
    ['Kind', operation.kind],
    ['State', stateCell(operation)],
    ['Created', formatTime(operation.createdAt)],
    ['Started', formatOptionalTime(operation.startedAt)],
    ['Finished', formatOptionalTime(operation.finishedAt)],
    ['Node', operation.node],
    ['Asked for by', operation.requestedBy ?? '-'],
    ['Locks', operation.targets],
    ['Steps', operation.steps.map(stepLine)],
  ];
  if (operation.progress && operation.finishedAt === null) facts.push(['Progress', progressText(operation)]);
  if (operation.error) facts.push(['Error', problemLines(operation.error)]);
  if (operation.undoError) facts.push(['Error of the undo', problemLines(operation.undoError)]);
  return renderFacts(facts, paint);
}

function took({ startedAt, finishedAt }: Operation): string {
  if (startedAt === null || finishedAt === null) return '-';
  return formatElapsed(Date.parse(finishedAt) - Date.parse(startedAt));
}

function stepLine({ name, state, attempts }: Operation['steps'][number]): string {
  return attempts > 1 ? `${name}: ${state}, ${attempts} tries` : `${name}: ${state}`;
}

function problemLines({ detail, code, causes = [] }: Problem): string[] {
  return [
    code === null ? detail : `${detail} [${code}]`,
    ...causes.map((cause) => `caused by: ${cause.detail}`),
  ];
}
