/** Finding the entries that must be replayed ([MS-VHDX] 2.3.3). Pure: works on the log's bytes. */
import { Buffer } from 'node:buffer';
import { logSectorBytes, maxFileBytes } from './limits.ts';
import { type LogEntry, type LogUpdate, parseEntry, parseEntryHeader } from './log-entry.ts';
import { regionTableOffsets } from './region-table.ts';

/** The newest complete sequence: entries in the order in which they are replayed. */
export interface ActiveSequence {
  readonly entries: readonly LogEntry[];
  /** The file must be at least this long, else it was cut. */
  readonly flushedFileOffset: number;
  /** The file must be made at least this long. */
  readonly lastFileOffset: number;
}

interface PlacedEntry extends LogEntry {
  readonly at: number;
}

export interface LogPlace {
  readonly guid: string;
  /** Where in the file the log lies: no entry may write there. */
  readonly offset: number;
}

/** Undefined when the log has no complete sequence with that GUID. */
export function findActiveSequence(log: Buffer, place: LogPlace): ActiveSequence | undefined {
  // Twice in a row: an entry that runs around the end is whole in it.
  const ring = Buffer.concat([log, log]);
  let best: readonly PlacedEntry[] | undefined;
  let at = 0;
  while (at < log.length) {
    const run = readRun(ring, at, place);
    const last = run.at(-1);
    if (!last) {
      at += logSectorBytes;
      continue;
    }
    const sequence = fromTail(run, last.header.tail);
    if (sequence && (!best || last.header.sequenceNumber > best.at(-1)!.header.sequenceNumber))
      best = sequence;
    // Also when the tail is missing: whatever starts inside this run ends with the same entry and the same tail.
    // Going on by one sector, as 2.3.3 has it, finds nothing more and lets a hostile log cost the square of its length.
    for (const entry of run) at += entry.header.entryLength;
  }
  const last = best?.at(-1);
  if (!best || !last) return undefined;
  const { flushedFileOffset, lastFileOffset } = last.header;
  return { entries: best, flushedFileOffset, lastFileOffset };
}

/** Entries with consecutive numbers from `start` on, around the end of the log at most once. */
function readRun(ring: Buffer, start: number, place: LogPlace): readonly PlacedEntry[] {
  const logLength = ring.length / 2;
  const run: PlacedEntry[] = [];
  let length = 0;
  while (length < logLength) {
    const entry = readEntryAt(ring, (start + length) % logLength, place);
    const before = run.at(-1)?.header.sequenceNumber;
    if (!entry || (before !== undefined && entry.header.sequenceNumber !== before + 1n)) break;
    length += entry.header.entryLength;
    if (length > logLength) break;
    run.push(entry);
  }
  return run;
}

function readEntryAt(ring: Buffer, at: number, place: LogPlace): PlacedEntry | undefined {
  const logLength = ring.length / 2;
  const header = parseEntryHeader(ring.subarray(at, at + logSectorBytes), logLength);
  if (!header || header.logGuid !== place.guid) return undefined;
  const entry = parseEntry(ring.subarray(at, at + header.entryLength), header);
  if (!entry) return undefined;
  const { flushedFileOffset, lastFileOffset } = header;
  if (Math.max(flushedFileOffset, lastFileOffset) > maxFileBytes) return undefined;
  const allowed = entry.updates.every((update) => mayWrite(update, place.offset, logLength));
  return allowed ? { ...entry, at } : undefined;
}

function fromTail(run: readonly PlacedEntry[], tail: number): readonly PlacedEntry[] | undefined {
  const first = run.findIndex((entry) => entry.at === tail);
  return first < 0 ? undefined : run.slice(first);
}

/**
 * Updates may touch the region tables and what lies behind the header section, apart from the log itself. Identifier
 * and headers are never changed through the log (2.2.1, 2.2.2).
 */
function mayWrite(update: LogUpdate, logOffset: number, logLength: number): boolean {
  const start = update.fileOffset;
  const length = update.kind === 'data' ? update.bytes.length : update.length;
  const end = start + length;
  const inLog = start < logOffset + logLength && end > logOffset;
  return start >= regionTableOffsets[0] && end <= maxFileBytes && !inLog;
}
