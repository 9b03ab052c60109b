/**
 * The embedded store of one host: SQLite, built into Node, one file, one process (docs/formats/store.md).
 *
 * Its calls are synchronous below: a change takes one flush of the write-ahead log. A worker thread would free the
 * event loop for that time and cost each read a hop between threads; docs/design tells the figures.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { prefixEnd } from './check-transaction.ts';
import { type Clock, monotonicClock } from './clock.ts';
import { type Ledger, LocalStore } from './local-store.ts';
import { commitFailure, sqliteFailure } from './sqlite-failure.ts';
import { checkRow, openStoreFile } from './sqlite-file.ts';
import { rowChecksum, type StoredRow } from './sqlite-schema.ts';
import type { Store, StoreEntry, StoreEvent, WatchBatch } from './store.ts';

export interface SqliteStoreOptions {
  /** Path of the store file; its directory must exist. Created when it is missing. */
  readonly file: string;
  /** For leases. Default: the monotonic clock. */
  readonly clock?: Clock;
  /** The file grows no further; a change that needs more is refused with store.full. Default: as the disk allows. */
  readonly maxBytes?: number;
}

/** @throws store.in-use, store.damaged, store.foreign, store.newer-version, store.input-output, store.full */
export function openSqliteStore(options: SqliteStoreOptions): Store {
  const db = openStoreFile(options.file, options.maxBytes);
  return new LocalStore(new SqliteLedger(options.file, db), options.clock ?? monotonicClock);
}

interface Row extends StoredRow {
  readonly checksum: number;
}

const entryColumns = `key, value, create_revision AS createRevision, mod_revision AS modRevision,
  lease_id AS leaseId, checksum`;
const historyColumns = `key, value, create_revision AS createRevision, revision AS modRevision,
  lease_id AS leaseId, checksum`;
const inRange = 'key >= :from AND key < :end';

const statements = {
  get: `SELECT ${entryColumns} FROM entry WHERE key = ?`,
  page: `SELECT ${entryColumns} FROM entry WHERE ${inRange} AND key > :after ORDER BY key LIMIT :limit`,
  keysOfLease: 'SELECT key FROM entry WHERE lease_id = ? ORDER BY key',
  history: `SELECT ${historyColumns} FROM history WHERE ${inRange} AND revision IN (
      SELECT DISTINCT revision FROM history WHERE revision > :after AND ${inRange} ORDER BY revision LIMIT :limit
    ) ORDER BY sequence`,
  put: `INSERT INTO entry (key, value, create_revision, mod_revision, lease_id, checksum)
    VALUES (:key, :value, :createRevision, :modRevision, :leaseId, :checksum)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, create_revision = excluded.create_revision,
      mod_revision = excluded.mod_revision, lease_id = excluded.lease_id, checksum = excluded.checksum`,
  delete: 'DELETE FROM entry WHERE key = ?',
  append: `INSERT INTO history (key, value, create_revision, revision, lease_id, checksum)
    VALUES (:key, :value, :createRevision, :modRevision, :leaseId, :checksum)`,
  advance: 'UPDATE store SET revision = ?',
  position: 'SELECT revision, compacted_revision AS compactedRevision FROM store',
  forget: 'DELETE FROM history WHERE revision <= ?',
  compacted: 'UPDATE store SET compacted_revision = ?',
  leases: 'SELECT id, ttl_ms AS ttlMs FROM lease',
  addLease: 'INSERT INTO lease (id, ttl_ms) VALUES (?, ?)',
  removeLease: 'DELETE FROM lease WHERE id = ?',
} as const;

type Statements = { readonly [Name in keyof typeof statements]: StatementSync };

class SqliteLedger implements Ledger {
  revision: number;
  compactedRevision: number;
  readonly #file: string;
  readonly #db: DatabaseSync;
  readonly #statements: Statements;

  constructor(file: string, db: DatabaseSync) {
    this.#file = file;
    this.#db = db;
    const prepared = Object.entries(statements).map(([name, sql]) => [name, db.prepare(sql)]);
    this.#statements = Object.fromEntries(prepared) as Statements;
    const position = this.#statements.position.get() as { revision: number; compactedRevision: number };
    this.revision = position.revision;
    this.compactedRevision = position.compactedRevision;
  }

  get(key: string): StoreEntry | null {
    const row = this.#read(() => this.#statements.get.get(key)) as Row | undefined;
    return row ? this.#entry(row) : null;
  }

  page(prefix: string, after: string | null, limit: number | null): readonly StoreEntry[] {
    const range = { ...rangeOf(prefix), after: after ?? '', limit: limit ?? -1 };
    return this.#rows(() => this.#statements.page.all(range)).map((row) => this.#entry(row));
  }

  keysOfLease(leaseId: string): readonly string[] {
    return this.#rows(() => this.#statements.keysOfLease.all(leaseId)).map((row) => row.key);
  }

  history(prefix: string, afterRevision: number, limit: number): readonly WatchBatch[] {
    const rows = this.#rows(() =>
      this.#statements.history.all({ ...rangeOf(prefix), after: afterRevision, limit }),
    );
    const byRevision = Map.groupBy(rows, (row) => row.modRevision);
    return [...byRevision].map(([revision, changes]) => ({
      revision,
      events: changes.map((row) => this.#event(row)),
    }));
  }

  commit(revision: number, events: readonly StoreEvent[], endedLease: string | null): void {
    this.#write(() => {
      for (const event of events) this.#apply(event);
      if (endedLease !== null) this.#statements.removeLease.run(endedLease);
      this.#statements.advance.run(revision);
    });
    this.revision = revision;
  }

  compact(revision: number): void {
    this.#write(() => {
      this.#statements.forget.run(revision);
      this.#statements.compacted.run(revision);
    });
    this.compactedRevision = revision;
    this.#read(() => this.#db.exec('PRAGMA incremental_vacuum'));
  }

  leases(): readonly { readonly id: string; readonly ttlMs: number }[] {
    return this.#read(() => this.#statements.leases.all()) as unknown as { id: string; ttlMs: number }[];
  }

  addLease(id: string, ttlMs: number): void {
    this.#write(() => this.#statements.addLease.run(id, Math.ceil(ttlMs)));
  }

  close(): void {
    this.#db.close();
  }

  #apply(event: StoreEvent): void {
    const row = storedRow(event);
    const bound = { ...row, checksum: rowChecksum(row) };
    if (event.type === 'put') this.#statements.put.run(bound);
    else this.#statements.delete.run(event.key);
    this.#statements.append.run(bound);
  }

  /** All of `work` in one transaction of SQLite, on the disk when it returns. */
  #write(work: () => void): void {
    let committing = false;
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      work();
      committing = true;
      this.#db.exec('COMMIT');
    } catch (cause) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw committing ? commitFailure(this.#file, cause) : sqliteFailure(this.#file, cause);
    }
  }

  #read<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw sqliteFailure(this.#file, cause);
    }
  }

  #rows(work: () => readonly unknown[]): readonly Row[] {
    return this.#read(work) as readonly Row[];
  }

  #entry(row: Row): StoreEntry {
    checkRow(this.#file, row);
    const { key, createRevision, modRevision, leaseId } = row;
    return { key, value: row.value!, createRevision, modRevision, leaseId };
  }

  #event(row: Row): StoreEvent {
    if (row.value !== null) return { type: 'put', entry: this.#entry(row) };
    checkRow(this.#file, row);
    return { type: 'delete', key: row.key, modRevision: row.modRevision };
  }
}

function storedRow(event: StoreEvent): StoredRow {
  if (event.type === 'put') return { ...event.entry };
  const { key, modRevision } = event;
  return { key, value: null, createRevision: 0, modRevision, leaseId: null };
}

/** Keys are ASCII below DEL, so DEL stands after them all. */
function rangeOf(prefix: string): { from: string; end: string } {
  return { from: prefix, end: prefixEnd(prefix) ?? '\x7f' };
}
