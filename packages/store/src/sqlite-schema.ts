/** Layout of the store file (docs/formats/store.md, "The SQLite file"). */
import { crc32 } from 'node:zlib';

/** Format that this version writes. Older ones are raised when opened, newer ones are refused. */
export const schemaVersion = 1;

/** "Corr" in the header of the file, SQLite file format section 1.3.15. */
export const applicationId = 0x436f7272;

/**
 * `entry` holds the keys as they stand, `history` every change since `compacted_revision`, in order; a change
 * without a value is a deletion. `store` has one row.
 */
export const schema = `
  CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    schema_version INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    compacted_revision INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE entry (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL,
    create_revision INTEGER NOT NULL,
    mod_revision INTEGER NOT NULL,
    lease_id TEXT,
    checksum INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX entry_by_lease ON entry (lease_id) WHERE lease_id IS NOT NULL;
  CREATE TABLE history (
    sequence INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT,
    create_revision INTEGER NOT NULL,
    lease_id TEXT,
    checksum INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX history_by_revision ON history (revision);
  CREATE TABLE lease (
    id TEXT PRIMARY KEY NOT NULL,
    ttl_ms INTEGER NOT NULL
  ) STRICT;
  INSERT INTO store VALUES (1, ${schemaVersion}, 1, 0);
  PRAGMA application_id = ${applicationId};
`;

export interface StoredRow {
  readonly key: string;
  /** Null only in `history`: deleted. */
  readonly value: string | null;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly leaseId: string | null;
}

/** SQLite checks its pages' structure but not their content; this finds a flipped bit in a row. */
export function rowChecksum(row: StoredRow): number {
  const { key, value, createRevision, modRevision, leaseId } = row;
  return crc32(JSON.stringify([key, value, createRevision, modRevision, leaseId]));
}
