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
  let best: readonly PlacedEntry[] | undefined;
  let at = 0;
  while (at < log.length) {
    const run = readRun(log, at, place);
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
    const end = last.at + last.header.entryLength;
    if (end >= log.length) break;
    at = end;
  }
  const last = best?.at(-1);
  if (!best || !last) return undefined;
  const { flushedFileOffset, lastFileOffset } = last.header;
  return { entries: best, flushedFileOffset, lastFileOffset };
}

/** Entries with consecutive numbers from `start` on, around the end of the log at most once. */
function readRun(log: Buffer, start: number, place: LogPlace): readonly PlacedEntry[] {
  const run: PlacedEntry[] = [];
  let length = 0;
  let at = start;
  while (length < log.length) {
    const entry = readEntryAt(log, at, place);
    const before = run.at(-1)?.header.sequenceNumber;
    if (!entry || (before !== undefined && entry.header.sequenceNumber !== before + 1n)) break;
    length += entry.header.entryLength;
    if (length > log.length) break;
    run.push(entry);
    at = (at + entry.header.entryLength) % log.length;
  }
  return run;
}

function readEntryAt(log: Buffer, at: number, place: LogPlace): PlacedEntry | undefined {
  const header = parseEntryHeader(log.subarray(at, at + logSectorBytes), log.length);
  if (!header || header.logGuid !== place.guid) return undefined;
  const end = at + header.entryLength;
  const bytes =
    end <= log.length
      ? log.subarray(at, end)
      : Buffer.concat([log.subarray(at), log.subarray(0, end - log.length)]);
  const entry = parseEntry(bytes, header);
  if (!entry) return undefined;
  const { flushedFileOffset, lastFileOffset } = header;
  if (Math.max(flushedFileOffset, lastFileOffset) > maxFileBytes) return undefined;
  const allowed = entry.updates.every((update) => mayWrite(update, place.offset, log.length));
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
