/** Creates, opens and checks the store file, each refusal naming the file and the fix. */
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { newId } from '@corral/core/ids';
import { storeErrors } from './errors.ts';
import { sqliteFailure } from './sqlite-failure.ts';
import { applicationId, rowChecksum, type StoredRow, schema, schemaVersion } from './sqlite-schema.ts';

/**
 * Opens the file, or creates it, and holds it for this process alone until it is closed.
 *
 * The lock is SQLite's own (fcntl): nothing else in this process may open the file, since closing any descriptor
 * of it would drop the lock.
 *
 * @throws store.in-use, store.damaged, store.foreign, store.newer-version, store.input-output, store.full
 */
export function openStoreFile(file: string, maxBytes?: number): DatabaseSync {
  try {
    if (!existsSync(file)) createStoreFile(file);
    else if (statSync(file).size === 0) throw storeErrors.damaged({ file, detail: 'it is empty' });
  } catch (cause) {
    throw fileFailure(file, cause);
  }
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: 0 });
    takeOver(db);
    checkFormat(db, file);
    checkContent(db, file);
    if (maxBytes !== undefined) limitSize(db, maxBytes);
    removeLeftOvers(file);
    return db;
  } catch (cause) {
    db?.close();
    throw sqliteFailure(file, cause);
  }
}

/** Before the first access, so that the write-ahead log is held by the same lock and needs no shared memory. */
function takeOver(db: DatabaseSync): void {
  db.exec('PRAGMA locking_mode = EXCLUSIVE');
  db.exec('PRAGMA journal_mode = WAL');
  db.exec('PRAGMA synchronous = FULL');
  db.exec('PRAGMA journal_size_limit = 16777216');
  db.exec('BEGIN EXCLUSIVE');
  db.exec('COMMIT');
}

/**
 * The file appears under its name only when it is whole. So an empty file is a damaged one, never a new one; and
 * of two daemons that create it at once, the link lets one win, and the other finds it in use.
 */
function createStoreFile(file: string): void {
  const draft = `${file}.new-${newId()}`;
  closeSync(openSync(draft, 'wx', 0o600));
  const db = new DatabaseSync(draft);
  try {
    db.exec(`PRAGMA auto_vacuum = INCREMENTAL; BEGIN; ${schema} COMMIT; PRAGMA journal_mode = WAL;`);
  } finally {
    db.close();
  }
  try {
    linkSync(draft, file);
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) throw cause;
  } finally {
    rmSync(draft);
  }
  const directory = openSync(dirname(file), 'r');
  fsyncSync(directory);
  closeSync(directory);
}

function limitSize(db: DatabaseSync, maxBytes: number): void {
  db.exec(`PRAGMA max_page_count = ${Math.floor(maxBytes / Number(single(db, 'PRAGMA page_size')))}`);
}

/** Drafts of creations that a crash cut off. Called with the lock held: nobody is creating. */
function removeLeftOvers(file: string): void {
  const draft = `${basename(file)}.new-`;
  for (const name of readdirSync(dirname(file))) {
    if (name.startsWith(draft)) rmSync(join(dirname(file), name), { force: true });
  }
}

function checkFormat(db: DatabaseSync, file: string): void {
  if (single(db, 'PRAGMA application_id') !== applicationId) throw storeErrors.foreign({ file });
  const found = Number(single(db, 'SELECT schema_version FROM store'));
  if (found > schemaVersion) throw storeErrors['newer-version']({ file, found, known: schemaVersion });
  if (found !== schemaVersion) throw storeErrors.damaged({ file, detail: `format ${found} never existed` });
}

function checkContent(db: DatabaseSync, file: string): void {
  const structure = single(db, 'PRAGMA integrity_check(1)');
  if (structure !== 'ok') throw storeErrors.damaged({ file, detail: String(structure) });
  const latest =
    'SELECT max(coalesce((SELECT max(mod_revision) FROM entry), 0), compacted_revision) <= revision FROM store';
  if (single(db, latest) !== 1)
    throw storeErrors.damaged({ file, detail: 'its revision lies behind its entries' });
}

/** @throws store.damaged when the row is not as it was written */
export function checkRow(file: string, row: StoredRow & { readonly checksum: number }): void {
  if (rowChecksum(row) === row.checksum) return;
  throw storeErrors.damaged({ file, detail: `the entry "${row.key}" does not fit its checksum` });
}

function single(db: DatabaseSync, sql: string): unknown {
  return Object.values(db.prepare(sql).get() ?? {})[0];
}

function fileFailure(file: string, cause: unknown): unknown {
  if (cause instanceof Error && 'code' in cause && 'syscall' in cause) {
    const failure = cause.code === 'ENOSPC' ? storeErrors.full : storeErrors['input-output'];
    return failure({ file, detail: cause.message }, { cause });
  }
  return sqliteFailure(file, cause);
}
