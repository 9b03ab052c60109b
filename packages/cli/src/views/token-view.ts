/** Tokens for people; the secret is never among them. */
import type { Token } from '@corral/api/schemas/token';
import type { Paint } from '../render/paint.ts';
import { type Column, renderTable } from '../render/table.ts';
import { formatTime } from '../render/values.ts';

const columns: readonly Column<Token>[] = [
  { head: 'NAME', cell: (token) => token.name },
  { head: 'ROLE', cell: (token) => token.role },
  { head: 'EXPIRES', cell: expiry },
  { head: 'CREATED', cell: (token) => formatTime(token.createdAt) },
  { head: 'CREATED BY', cell: (token) => token.createdBy },
  { head: 'ID', cell: (token) => token.id },
];

function expiry({ expiresAt }: Token) {
  const expired = Date.parse(expiresAt) <= Date.now();
  return expired
    ? { text: `${formatTime(expiresAt)} (expired)`, tone: 'bad' as const }
    : formatTime(expiresAt);
}

export function tokenTable(tokens: readonly Token[], paint: Paint): string {
  return renderTable(tokens, columns, paint);
}
