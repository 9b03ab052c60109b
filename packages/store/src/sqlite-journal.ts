/** Reads a state from the store file and writes changes into it (docs/formats/store.md, "The SQLite file"). */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { isCorralError } from '@corral/core/errors';
import { storeErrors } from './errors.ts';
import { SpaceReserve } from './space-reserve.ts';
import { commitFailure, sqliteFailure } from './sqlite-failure.ts';
import { checkRow, openStoreFile } from './sqlite-file.ts';
import { rowChecksum, type StoredRow } from './sqlite-schema.ts';
import type { StoreEvent } from './store.ts';
import type { StateChange, StateSnapshot } from './store-state.ts';

interface Row extends StoredRow {
  readonly checksum: number;
}

const columns = 'key, value, create_revision AS createRevision, lease_id AS leaseId, checksum';
const values = '(:key, :value, :createRevision, :modRevision, :leaseId, :checksum)';

const statements = {
  put: `INSERT INTO entry (key, value, create_revision, mod_revision, lease_id, checksum) VALUES ${values}
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, create_revision = excluded.create_revision,
      mod_revision = excluded.mod_revision, lease_id = excluded.lease_id, checksum = excluded.checksum`,
  delete: 'DELETE FROM entry WHERE key = ?',
  append: `INSERT INTO history (key, value, create_revision, revision, lease_id, checksum) VALUES ${values}`,
  advance: 'UPDATE store SET revision = ?',
  forget: 'DELETE FROM history WHERE revision <= ?',
  compacted: 'UPDATE store SET compacted_revision = ?',
  addLease: 'INSERT INTO lease (id, ttl_ms) VALUES (?, ?)',
  removeLease: 'DELETE FROM lease WHERE id = ?',
} as const;

type Statements = { readonly [Name in keyof typeof statements]: StatementSync };

export interface SqliteJournalOptions {
  readonly maxBytes: number | undefined;
  readonly reserveBytes: number | undefined;
}

export class SqliteJournal {
  readonly #file: string;
  readonly #db: DatabaseSync;
  readonly #statements: Statements;
  readonly #reserve: SpaceReserve | null;

  /** @throws store.in-use, store.damaged, store.foreign, store.newer-version, store.input-output, store.full */
  constructor(file: string, { maxBytes, reserveBytes }: SqliteJournalOptions) {
    this.#file = file;
    this.#db = openStoreFile(file, maxBytes);
    const prepared = Object.entries(statements).map(([name, sql]) => [name, this.#db.prepare(sql)]);
    this.#statements = Object.fromEntries(prepared) as Statements;
    this.#reserve = reserveBytes === undefined ? null : new SpaceReserve(`${file}.reserve`, reserveBytes);
    this.#reserve?.take();
  }

  /** @throws store.damaged when a row is not as it was written */
  read(): StateSnapshot {
    try {
      const position = this.#db
        .prepare('SELECT revision, compacted_revision AS compactedRevision FROM store')
        .get();
      const entries = this.#rows(`SELECT ${columns}, mod_revision AS modRevision FROM entry ORDER BY key`);
      const changes = this.#rows(`SELECT ${columns}, revision AS modRevision FROM history ORDER BY sequence`);
      const history = Map.groupBy(changes, (row) => row.modRevision);
      return {
        ...(position as { revision: number; compactedRevision: number }),
        entries: entries.map(entryOf),
        history: [...history].map(([revision, rows]) => ({ revision, events: rows.map(eventOf) })),
        leases: this.#db
          .prepare('SELECT id, ttl_ms AS ttlMs FROM lease')
          .all() as unknown as StateSnapshot['leases'],
      };
    } catch (cause) {
      throw sqliteFailure(this.#file, cause);
    }
  }

  /** All in one transaction of SQLite, on the disk when it returns. */
  write(changes: readonly StateChange[]): void {
    this.#reserve?.take();
    try {
      this.#write(changes);
    } catch (cause) {
      if (!isCorralError(cause, storeErrors.full.code) || !this.#reserve?.giveUp()) throw cause;
      this.#write(changes);
    }
  }

  #write(changes: readonly StateChange[]): void {
    let committing = false;
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      for (const change of changes) this.#apply(change);
      committing = true;
      this.#db.exec('COMMIT');
    } catch (cause) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw committing ? commitFailure(this.#file, cause) : sqliteFailure(this.#file, cause);
    }
    if (changes.some((change) => change.type === 'compact')) this.#db.exec('PRAGMA incremental_vacuum');
  }

  close(): void {
    this.#db.close();
  }

  #apply(change: StateChange): void {
    if (change.type === 'grant') {
      this.#statements.addLease.run(change.leaseId, Math.ceil(change.ttlMs));
    } else if (change.type === 'compact') {
      this.#statements.forget.run(change.revision);
      this.#statements.compacted.run(change.revision);
    } else {
      for (const event of change.events) this.#applyEvent(event);
      if (change.endedLease !== null) this.#statements.removeLease.run(change.endedLease);
      this.#statements.advance.run(change.revision);
    }
  }

  #applyEvent(event: StoreEvent): void {
    const row = rowOf(event);
    const bound = { ...row, checksum: rowChecksum(row) };
    if (event.type === 'put') this.#statements.put.run(bound);
    else this.#statements.delete.run(event.key);
    this.#statements.append.run(bound);
  }

  #rows(sql: string): readonly Row[] {
    const rows = this.#db.prepare(sql).all() as unknown as readonly Row[];
    for (const row of rows) checkRow(this.#file, row);
    return rows;
  }
}

function rowOf(event: StoreEvent): StoredRow {
  if (event.type === 'put') return { ...event.entry };
  const { key, modRevision } = event;
  return { key, value: null, createRevision: 0, modRevision, leaseId: null };
}

function entryOf({ key, value, createRevision, modRevision, leaseId }: Row) {
  return { key, value: value!, createRevision, modRevision, leaseId };
}

function eventOf(row: Row): StoreEvent {
  if (row.value !== null) return { type: 'put', entry: entryOf(row) };
  return { type: 'delete', key: row.key, modRevision: row.modRevision };
}
