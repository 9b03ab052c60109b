/**
 * Change tracking is not believed but audited: with every backup a part of what it calls unchanged is read from the still
 * side and compared with the backup before. The part goes around the disk, so that all of it is proved anew in every round.
 */
import type { HeldPoint } from '@corral/backup/point/held-point';
import type { Disk, Range } from '@corral/disk/disk';
import { alignTo, bytesOf, clipTo } from '../tracking/ranges.ts';
import type { AuditRecord } from './audit-records.ts';

export interface AuditPlan {
  /** What is looked at now, around the disk's end. */
  readonly ranges: readonly Range[];
  readonly next: AuditRecord;
}

const blockBytes = 2 ** 16;
/** Every run looks at this much at least. */
const leastBytes = 2 ** 20;
const pieceBytes = 2 ** 20;

function newAuditRecord(at: string): AuditRecord {
  return { position: 0, auditedAt: at, roundStartedAt: at, provedAt: null, suspect: null };
}

/** The disk was read from end to end: whatever was believed of it before, the point made of it holds all of it. Pure. */
export function provedRecord(at: string): AuditRecord {
  return { ...newAuditRecord(at), provedAt: at };
}

/** Pure. @param roundMs within which the whole disk is to be proved */
export function planAudit(
  record: AuditRecord | null,
  sizeBytes: number,
  now: Date,
  roundMs: number,
): AuditPlan {
  const at = now.toISOString();
  const before = record ?? newAuditRecord(at);
  const elapsed = Math.max(0, now.getTime() - Date.parse(before.auditedAt));
  const due = Math.ceil((sizeBytes * Math.min(1, elapsed / roundMs)) / blockBytes) * blockBytes;
  const length = Math.min(sizeBytes, Math.max(leastBytes, due));
  const start = before.position < sizeBytes ? before.position : 0;
  const first = { offset: start, length: Math.min(length, sizeBytes - start) };
  const ended = start + length >= sizeBytes;
  const second = { offset: 0, length: length - first.length };
  return {
    ranges: second.length > 0 ? [first, second] : [first],
    next: {
      ...before,
      position: ended ? second.length : start + length,
      auditedAt: at,
      roundStartedAt: ended ? at : before.roundStartedAt,
      provedAt: ended ? before.roundStartedAt : before.provedAt,
    },
  };
}

/** What of `ranges` nobody has marked as changed, in whole blocks. */
export function cleanPart(ranges: readonly Range[], changes: readonly Range[], sizeBytes: number): Range[] {
  const dirty = alignTo(changes, blockBytes);
  return ranges.flatMap(({ offset, length }) => {
    const clean: Range[] = [];
    let at = offset;
    const end = offset + length;
    for (const each of dirty) {
      if (each.offset >= end) break;
      if (each.offset + each.length <= at) continue;
      if (each.offset > at) clean.push({ offset: at, length: each.offset - at });
      at = each.offset + each.length;
    }
    if (at < end) clean.push({ offset: at, length: end - at });
    return clipTo(clean, sizeBytes);
  });
}

export interface AuditResult {
  readonly auditBytes: number;
  readonly mismatch: Range | null;
}

/** Compares clean ranges of the still disk with what the backup before holds. Ends at the first difference. */
export async function auditDisk(
  disk: Disk,
  name: string,
  base: HeldPoint,
  clean: readonly Range[],
  pace: (bytes: number) => Promise<void>,
  signal: AbortSignal,
): Promise<AuditResult> {
  const stored = base.disk(name);
  const common = Math.min(disk.info.sizeBytes, stored.sizeBytes);
  // A last block that is longer on one side has another id, whatever both have in common.
  const isWhole = disk.info.sizeBytes === stored.sizeBytes;
  const inside = clipTo(clean, isWhole ? common : Math.floor(common / blockBytes) * blockBytes);
  let auditBytes = 0;
  for (const { offset, length } of inside) {
    for (let done = 0; done < length; done += pieceBytes) {
      const data = Buffer.alloc(Math.min(pieceBytes, length - done));
      await disk.read(data, offset + done, { signal });
      const [mismatch] = await stored.matches(offset + done, data, signal);
      auditBytes += data.length;
      if (mismatch) return { auditBytes, mismatch };
      await pace(data.length);
    }
  }
  return { auditBytes: bytesOf(inside), mismatch: null };
}
