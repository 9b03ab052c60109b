/** Internal snapshots ("Snapshots"): read for the list and for counting; Corral neither makes nor applies them. */
import { Buffer } from 'node:buffer';
import type { SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import type { Header } from './header.ts';
import { maxL1Bytes, maxSnapshotExtraBytes, maxSnapshotTableBytes } from './limits.ts';

export interface InternalSnapshot {
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
  /** Saved memory of the guest, 0 if there is none. */
  readonly vmStateBytes: number;
  /** Absent in old files: then it is the disk's own. */
  readonly sizeBytes?: number;
  readonly l1Offset: number;
  readonly l1Entries: number;
}

export interface SnapshotTable {
  readonly snapshots: readonly InternalSnapshot[];
  readonly bytes: number;
}

const fixedBytes = 40;

/** @throws disk.corrupt; disk.truncated */
export async function readSnapshotTable(
  file: BlockFile,
  header: Header,
  options?: SignalOptions,
): Promise<SnapshotTable> {
  const fail = (what: string): never => {
    throw diskErrors.corrupt({ path: file.path, what: `its snapshot table ${what}` });
  };
  const snapshots: InternalSnapshot[] = [];
  let at = 0;
  const fixed = Buffer.alloc(fixedBytes);
  for (let index = 0; index < header.snapshotCount; index += 1) {
    await file.readExact(fixed, header.snapshotsOffset + at, 'snapshot table', options);
    const idBytes = fixed.readUInt16BE(12);
    const nameBytes = fixed.readUInt16BE(14);
    const extraBytes = fixed.readUInt32BE(36);
    if (extraBytes > maxSnapshotExtraBytes) fail(`has ${extraBytes} bytes of extra data`);
    const tail = Buffer.alloc(extraBytes + idBytes + nameBytes);
    await file.readExact(tail, header.snapshotsOffset + at + fixedBytes, 'snapshot table', options);
    const snapshot = decodeSnapshot(fixed, tail);
    if (snapshot.l1Entries * 8 > maxL1Bytes) fail('has a snapshot with an absurd L1 table');
    snapshots.push(snapshot);
    at += Math.ceil((fixedBytes + tail.length) / 8) * 8;
    if (at > maxSnapshotTableBytes) fail('is too long');
  }
  return { snapshots, bytes: at };
}

function decodeSnapshot(fixed: Buffer, tail: Buffer): InternalSnapshot {
  const idBytes = fixed.readUInt16BE(12);
  const nameBytes = fixed.readUInt16BE(14);
  const extraBytes = fixed.readUInt32BE(36);
  const text = (from: number, length: number): string => tail.subarray(from, from + length).toString('utf8');
  return {
    l1Offset: Number(fixed.readBigUInt64BE(0)),
    l1Entries: fixed.readUInt32BE(8),
    id: text(extraBytes, idBytes),
    name: text(extraBytes + idBytes, nameBytes),
    createdAt: new Date(fixed.readUInt32BE(16) * 1000 + Math.floor(fixed.readUInt32BE(20) / 1e6)),
    vmStateBytes: extraBytes >= 8 ? Number(tail.readBigUInt64BE(0)) : fixed.readUInt32BE(32),
    ...(extraBytes >= 16 ? { sizeBytes: Number(tail.readBigUInt64BE(8)) } : {}),
  };
}
