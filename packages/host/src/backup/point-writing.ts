/** Writes one point from the pinned chains of a VM: what to read of each disk, the audit, the figures. */
import type { HeldPoint } from '@corral/backup/point/held-point';
import type { Point } from '@corral/backup/point/point';
import { type DiskSource, type SourceExtent, writePoint } from '@corral/backup/point/write-point';
import type { Repository } from '@corral/backup/repository';
import { isCorralError } from '@corral/core/errors';
import type { Disk, Range } from '@corral/disk/disk';
import type { ChainState } from '../chain/chain-records.ts';
import type { PinRecord } from '../chain/pin-record.ts';
import { knownChanges } from '../tracking/changes-between.ts';
import type { ForkOutput } from '../tracking/fork-steps.ts';
import { bytesOf } from '../tracking/ranges.ts';
import { auditDisk, cleanPart, planAudit } from './audit.ts';
import { AuditRecords } from './audit-records.ts';
import type { BackupHost } from './backup-host.ts';
import { backupReference } from './backup-reference.ts';
import { documentsOf } from './documents.ts';
import { backupErrors } from './errors.ts';
import { openChainOf } from './open-chain.ts';
import { planChangedRead, planFullRead, type ReadPiece } from './read-plan.ts';

const mostAttempts = 5;

export interface PointTask {
  readonly pointId: string;
  readonly operationId: string;
  readonly name: string;
  readonly vmId: string;
  readonly vmName: string;
  readonly pinId: string;
  /** Of the repository itself, the same on every host. */
  readonly repositoryId: string;
  readonly fork: ForkOutput;
  /** Ids of disks that are read from end to end, whatever is known of their changes. */
  readonly full: ReadonlySet<string>;
  readonly plan: string | null;
  /** Within which the audit proves a whole disk. */
  readonly auditRoundMs: number;
  /** Of a try before this one, which is not made again. */
  readonly audited: AuditOutcome | null;
  /** Waits until so much may have been read. */
  readonly pace: (bytes: number) => Promise<void>;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
  readonly signal: AbortSignal;
}

interface OpenDisk {
  readonly diskId: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly disk: Disk;
  /** Since the point before; null: not known, or not wanted. */
  readonly changes: readonly Range[] | null;
}

/** What the audit found beside a backup. */
export interface AuditOutcome {
  readonly bytes: Readonly<Record<string, number>>;
  readonly tookMs: number;
  /** The first difference of each disk that has one. */
  readonly mismatches: readonly Mismatch[];
}

export interface Mismatch {
  readonly diskId: string;
  readonly disk: string;
  readonly range: Range;
  /** When the backup was made that it was compared with. */
  readonly baseCreatedAt: string;
}

/** Disks differ from the backup before where nothing had marked it: the point was not made. */
export class AuditMismatch extends Error {
  override readonly name = 'AuditMismatch';
  readonly outcome: AuditOutcome;

  constructor(vm: string, outcome: AuditOutcome) {
    const { disk, range } = outcome.mismatches[0]!;
    super(backupErrors.mismatch({ vm, disk, ...range }).message);
    this.outcome = outcome;
  }
}

export interface WrittenPoint {
  readonly point: Point;
  /** Ids of disks of which everything was read. */
  readonly readInFull: readonly string[];
}

/** @throws AuditMismatch; what the repository throws */
export async function writeVmPoint(
  backups: BackupHost,
  repository: Repository,
  task: PointTask,
): Promise<WrittenPoint> {
  const { host } = backups;
  const { vmId, vmName, signal } = task;
  await using opened = new AsyncDisposableStack();
  const state = await host.chainRecords.read(vmId);
  const pin = pinOf(state, task.pinId);
  const reference = backupReference(state, task.repositoryId);
  const disks: OpenDisk[] = [];
  for (const each of pin.disks) {
    const { chain, diskId, name, sizeBytes } = each;
    const from = reference?.disks.find((disk) => disk.diskId === diskId);
    const to = { stateId: chain[0]!.id, sizeBytes };
    const isKnown = from && !task.full.has(diskId);
    const changes = isKnown ? await knownChanges(host, { vmId, diskId, from, to }, signal) : null;
    const disk = opened.use(await openPinned(backups, vmId, task.pinId, diskId, signal));
    disks.push({ diskId, name, sizeBytes, disk, changes });
  }
  const base = reference?.backup?.pointId;
  const held = base === undefined ? null : await holdIfThere(repository, base, signal);
  if (held) opened.use(held);
  const sources = await Promise.all(disks.map((disk) => sourceOf(disk, signal)));
  const totalBytes = sources.reduce((sum, { totalBytes: bytes }) => sum + bytes, 0);
  let doneBytes = 0;
  const point = await writePoint(repository, {
    id: task.pointId,
    vm: { id: vmId, name: vmName },
    base,
    disks: sources.map(({ source }) => source),
    documents: await documentsOf(host, task.fork.settings),
    details: async () => {
      const audit = task.audited ?? (await auditAll(backups, task, disks, held));
      if (!task.audited && audit.mismatches.length > 0) throw new AuditMismatch(vmName, audit);
      const { consistency, reason, frozenMs, forkedAt } = task.fork;
      return {
        name: task.name,
        consistency,
        frozenMs,
        createdAt: new Date(forkedAt),
        auditBytes: audit.bytes,
        notes: {
          operation: task.operationId,
          ...(reason === null ? {} : { consistencyReason: reason }),
          ...(task.plan === null ? {} : { plan: task.plan }),
          auditMs: String(Math.round(audit.tookMs)),
        },
      };
    },
    onRead: async (_, bytes) => {
      doneBytes += bytes;
      task.progress(doneBytes, totalBytes);
      await task.pace(bytes);
    },
    signal,
  });
  const isFull = point.base === null;
  const readInFull = disks.filter(({ changes }) => isFull || changes === null);
  return { point, readInFull: readInFull.map(({ diskId }) => diskId) };
}

export function pinOf(state: ChainState, pinId: string): PinRecord {
  const pin = state.pins.find(({ id }) => id === pinId);
  // Its operation alone lets go of it.
  if (!pin) throw new Error(`the pin ${pinId} of VM ${state.vm.settings.name} is gone`);
  return pin;
}

/** Where a merge that was under way at the fork ends meanwhile, the record has another chain of the same content. */
async function openPinned(
  { host }: BackupHost,
  vmId: string,
  pinId: string,
  diskId: string,
  signal: AbortSignal,
): Promise<Disk> {
  for (let attempt = 1; ; attempt += 1) {
    const { disks } = pinOf(await host.chainRecords.read(vmId), pinId);
    const { chain } = disks.find((disk) => disk.diskId === diskId)!;
    try {
      return await openChainOf(host.directory, vmId, chain, signal);
    } catch (cause) {
      if (!isCorralError(cause, 'disk.not-found') || attempt === mostAttempts) throw cause;
    }
  }
}

async function holdIfThere(
  repository: Repository,
  id: string,
  signal: AbortSignal,
): Promise<HeldPoint | null> {
  // Of a point that lost data nothing is compared, as nothing is built on it.
  if (repository.context.state.harmed.some(({ point }) => point === id)) return null;
  try {
    return await repository.holdPoint(id, signal);
  } catch (cause) {
    if (isCorralError(cause, 'repository.point-not-found')) return null;
    if (isCorralError(cause, 'repository.object-damaged')) return null;
    throw cause;
  }
}

async function sourceOf(
  { name, sizeBytes, disk, changes }: OpenDisk,
  signal: AbortSignal,
): Promise<{ readonly source: DiskSource; readonly totalBytes: number }> {
  const incremental = changes && (await planChangedRead(disk, changes, sizeBytes, signal));
  const source: DiskSource = {
    name,
    sizeBytes,
    useBase: changes !== null,
    async *extents(since, stop): AsyncGenerator<SourceExtent> {
      const pieces: readonly ReadPiece[] =
        since !== null && incremental ? incremental : await planFullRead(disk, sizeBytes, stop);
      yield* pieces;
    },
    read: async (offset, length, stop) => {
      const data = Buffer.allocUnsafe(length);
      await readPadded(disk, data, offset, stop);
      return data;
    },
  };
  const pieces = incremental ?? (await planFullRead(disk, sizeBytes, signal));
  return { source, totalBytes: bytesOf(pieces.filter(({ isZero }) => !isZero)) };
}

/** A file may be shorter than its disk is said to be: QEMU shows zeros there. */
async function readPadded(disk: Disk, data: Buffer, offset: number, signal: AbortSignal): Promise<void> {
  const inside = Math.max(0, Math.min(data.length, disk.info.sizeBytes - offset));
  if (inside > 0) await disk.read(data.subarray(0, inside), offset, { signal });
  data.fill(0, inside);
}

async function auditAll(
  backups: BackupHost,
  task: PointTask,
  disks: readonly OpenDisk[],
  base: HeldPoint | null,
): Promise<AuditOutcome> {
  const since = performance.now();
  const bytes: Record<string, number> = {};
  const mismatches: Mismatch[] = [];
  const records = new AuditRecords(backups.store);
  for (const { diskId, name, disk, sizeBytes, changes } of disks) {
    if (!changes || !base?.point.disks.some((each) => each.name === name)) continue;
    const record = await records.read(task.vmId, task.repositoryId, diskId);
    const { ranges, next } = planAudit(record, sizeBytes, new Date(), task.auditRoundMs);
    const clean = cleanPart(ranges, changes, sizeBytes);
    const { auditBytes, mismatch } = await auditDisk(disk, name, base, clean, task.pace, task.signal);
    bytes[name] = auditBytes;
    if (mismatch) {
      mismatches.push({ diskId, disk: name, range: mismatch, baseCreatedAt: base.point.createdAt });
    } else {
      await records.write(task.vmId, task.repositoryId, diskId, next);
    }
  }
  return { bytes, tookMs: performance.now() - since, mismatches };
}
