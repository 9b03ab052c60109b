/**
 * Change tracking is not believed but audited: with every backup a part of what it calls unchanged is read from the still
 * side and compared with the backup before. The part goes around the disk, so that all of it is proved anew in every round.
 */
import type { HeldPoint } from '@corral/backup/point/held-point';
import type { Disk, Range } from '@corral/disk/disk';
import type { Store } from '@corral/store/store';
import { z } from 'zod';
import { alignTo, bytesOf, clipTo } from '../tracking/ranges.ts';

export const AuditRecord = z.strictObject({
  /** Where the next audit begins. */
  position: z.int(),
  auditedAt: z.string(),
  /** When the round under way began. */
  roundStartedAt: z.string(),
  /** Since when every byte was proved once; null before the first round has ended. */
  provedAt: z.string().nullable(),
});
export type AuditRecord = z.infer<typeof AuditRecord>;

export const auditPrefix = (vmId: string): string => `backup-audit/${vmId}/`;
const auditKey = (vmId: string, repositoryId: string, diskId: string): string =>
  `${auditPrefix(vmId)}${repositoryId}/${diskId}`;

export interface AuditPlan {
  /** What is looked at now, around the disk's end. */
  readonly ranges: readonly Range[];
  readonly next: AuditRecord;
}

const blockBytes = 2 ** 16;
/** Every run looks at this much at least. */
const leastBytes = 2 ** 20;
const pieceBytes = 2 ** 20;

/** Pure. @param roundMs within which the whole disk is to be proved */
export function planAudit(
  record: AuditRecord | null,
  sizeBytes: number,
  now: Date,
  roundMs: number,
): AuditPlan {
  const at = now.toISOString();
  const before = record ?? { position: 0, auditedAt: at, roundStartedAt: at, provedAt: null };
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
  signal: AbortSignal,
): Promise<AuditResult> {
  const stored = base.disk(name);
  const inside = clipTo(clean, Math.min(disk.info.sizeBytes, stored.sizeBytes));
  let auditBytes = 0;
  for (const { offset, length } of inside) {
    for (let done = 0; done < length; done += pieceBytes) {
      const data = Buffer.alloc(Math.min(pieceBytes, length - done));
      await disk.read(data, offset + done, { signal });
      const [mismatch] = await stored.matches(offset + done, data, signal);
      auditBytes += data.length;
      if (mismatch) return { auditBytes, mismatch };
    }
  }
  return { auditBytes: bytesOf(inside), mismatch: null };
}

export class AuditRecords {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async read(vmId: string, repositoryId: string, diskId: string): Promise<AuditRecord | null> {
    const entry = await this.#store.get(auditKey(vmId, repositoryId, diskId));
    return entry ? AuditRecord.parse(JSON.parse(entry.value)) : null;
  }

  /** Lost updates cost a piece of the round, which is looked at again. */
  async write(vmId: string, repositoryId: string, diskId: string, record: AuditRecord): Promise<void> {
    await this.#store.transact({
      then: [{ put: auditKey(vmId, repositoryId, diskId), value: JSON.stringify(record) }],
    });
  }
}
