/** What every implementation refuses in the same words, before it does anything. */
import { storeErrors } from './errors.ts';
import type { Compare, ListOptions, Transaction, TransactionStep } from './store.ts';

/** Below etcd's defaults (128 operations, 1.5 MiB a request), so that what SQLite takes etcd takes too. */
export const storeLimits = {
  keyLength: 1024,
  /** Of conditions, and of the steps of each branch. */
  operations: 128,
  /** Keys and values of one transaction, in bytes of UTF-8. */
  transactionBytes: 1024 * 1024,
  leaseMinMs: 1_000,
  leaseMaxMs: 86_400_000,
} as const;

/** Text from people as a part of a key. */
export function keyPart(text: string): string {
  return encodeURIComponent(text);
}

/**
 * The first key after all keys with this prefix, or null when there is none. Keys are ASCII, so the order of
 * JavaScript's strings, of SQLite's BINARY collation and of etcd's bytes is the same.
 */
export function prefixEnd(prefix: string): string | null {
  if (prefix === '') return null;
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

const keyPattern = /^[\x21-\x7e]+$/;

function refuse(what: string): never {
  throw storeErrors['bad-request']({ what });
}

/** @throws store.bad-request */
export function checkKey(key: string): string {
  if (key.length > storeLimits.keyLength) refuse(`the key "${key.slice(0, 64)}..." is too long`);
  if (!keyPattern.test(key)) refuse(`"${key}" is not a key`);
  return key;
}

/** @throws store.bad-request */
export function checkPrefix(prefix: string): string {
  return prefix === '' ? prefix : checkKey(prefix);
}

/** @throws store.bad-request */
export function checkList(prefix: string, options: ListOptions): void {
  checkPrefix(prefix);
  if (options.after !== undefined) checkKey(options.after);
  const { limit } = options;
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0))
    refuse(`a page of ${limit} entries`);
}

/** @throws store.bad-request */
export function checkRevision(revision: number): number {
  if (!Number.isSafeInteger(revision) || revision < 0) refuse(`${revision} is not a revision`);
  return revision;
}

/** @throws store.bad-request */
export function checkLeaseTime(ttlMs: number): number {
  if (!(ttlMs >= storeLimits.leaseMinMs && ttlMs <= storeLimits.leaseMaxMs)) refuse(`a lease of ${ttlMs} ms`);
  return ttlMs;
}

/** @throws store.bad-request */
export function checkTransaction(transaction: Transaction): void {
  const { compare = [], then, else: otherwise = [] } = transaction;
  for (const part of [compare, then, otherwise]) {
    if (part.length > storeLimits.operations) refuse(`${part.length} conditions or steps in one transaction`);
  }
  const bytes = [...compare.map(compareBytes), ...then.map(stepBytes), ...otherwise.map(stepBytes)];
  const total = bytes.reduce((sum, size) => sum + size, 0);
  if (total > storeLimits.transactionBytes) refuse(`a transaction of ${total} bytes`);
  checkBranch(then);
  checkBranch(otherwise);
}

/** etcd refuses these combinations ("duplicate key given in txn request"), so all implementations do. */
function checkBranch(steps: readonly TransactionStep[]): void {
  const puts = new Set<string>();
  for (const step of steps) {
    if (!('put' in step)) continue;
    if (puts.has(step.put)) refuse(`"${step.put}" is put twice in one transaction`);
    puts.add(step.put);
  }
  for (const step of steps) {
    if ('delete' in step && puts.has(step.delete)) refuse(`"${step.delete}" is put and deleted`);
    if (!('deletePrefix' in step)) continue;
    for (const key of puts) if (key.startsWith(step.deletePrefix)) refuse(`"${key}" is put and deleted`);
  }
}

function compareBytes(compare: Compare): number {
  if ('modRevision' in compare) checkRevision(compare.modRevision);
  return checkKey(compare.key).length + ('value' in compare ? valueBytes(compare.key, compare.value) : 0);
}

/** A lone surrogate has no UTF-8 and would come back as another character; NUL ends a text for some of SQLite. */
function valueBytes(key: string, value: string): number {
  if (!value.isWellFormed() || value.includes('\0')) refuse(`the value of "${key}" is not text`);
  return Buffer.byteLength(value);
}

function stepBytes(step: TransactionStep): number {
  if ('put' in step) return checkKey(step.put).length + valueBytes(step.put, step.value);
  if ('delete' in step) return checkKey(step.delete).length;
  if ('get' in step) return checkKey(step.get).length;
  return checkPrefix(step.deletePrefix).length;
}
