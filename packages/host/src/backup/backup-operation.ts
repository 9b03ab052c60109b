/**
 * backup.run: one VM into one repository (docs/design/0010-backups.md).
 *
 *   fork (freeze · fork · thaw, by an operation of its own) ─▶ write (read the still side) ─▶ finish (let go, merge)
 *
 * The VM is held for the fork alone. A failed or killed backup is undone: its session in the repository is given up, its
 * pin goes, its layers are merged, and the next one counts from where this one did.
 */
import type { Point } from '@corral/backup/point/point';
import { giveUpSession } from '@corral/backup/prune/sessions-at-work';
import type { Repository } from '@corral/backup/repository';
import { deletePoint } from '@corral/backup/retention/point-locks';
import { isCorralError } from '@corral/core/errors';
import { derivedId } from '@corral/core/ids';
import { defineOperation, type StepContext, type UndoContext } from '@corral/operation/operation';
import { z } from 'zod';
import { connectionTarget } from '../repository/repository-host.ts';
import type { ForkOutput } from '../tracking/fork-steps.ts';
import { releasePin } from '../tracking/release-pin.ts';
import { tidyEdges } from '../tracking/save-changes.ts';
import { provedRecord } from './audit.ts';
import { AuditRecords } from './audit-records.ts';
import type { BackupHost } from './backup-host.ts';
import { withBackupDone } from './backup-reference.ts';
import { noteMismatch } from './note-mismatch.ts';
import { Pace } from './pace.ts';
import { AuditMismatch, type PointTask, pinOf, type WrittenPoint, writeVmPoint } from './point-writing.ts';
import { readTrackingSettings } from './tracking-settings.ts';

const Input = z.strictObject({
  vmId: z.string(),
  vmName: z.string(),
  /** Of the connection. */
  repositoryId: z.string(),
  repositoryName: z.string(),
  name: z.string(),
  full: z.boolean(),
  consistency: z.enum(['application', 'filesystem', 'crash']).nullable(),
  freezeLimitMs: z.int(),
  plan: z.string().nullable(),
  bytesPerSecond: z.int().nullable().default(null),
});
export type BackupInput = z.infer<typeof Input>;

interface Results {
  fork: ForkOutput;
  write: { pointId: string; disks: Point['disks']; readInFull: readonly string[]; tracked: boolean };
  finish: null;
}

const dayMs = 86_400e3;

const forkId = (operationId: string): string => derivedId(`fork of ${operationId}`);
const pinId = (operationId: string): string => derivedId(`pin of ${operationId}`);
/** A second try is made at most, after the audit found a difference. */
const pointId = (operationId: string, attempt: number): string =>
  derivedId(`point ${attempt} of ${operationId}`);

export function backupRun(backups: BackupHost) {
  const slots = new Map<string, Disposable>();
  const release = (operationId: string): void => {
    slots.get(operationId)?.[Symbol.dispose]();
    slots.delete(operationId);
  };
  return defineOperation<BackupInput, Results>({
    kind: 'backup.run',
    input: (json) => Input.parse(json),
    target: ({ vmId, repositoryId }) => [`backup/${vmId}`, connectionTarget(repositoryId)],
    title: ({ vmName, repositoryName }) => `Back up VM ${vmName} to ${repositoryName}`,
    cancellable: true,
    steps: [
      {
        name: 'fork',
        run: async (context) => {
          slots.set(context.operationId, await backups.slots.take(context.signal));
          return await fork(backups, context);
        },
        undo: async (context) => {
          release(context.operationId);
          await letGo(backups, context);
        },
      },
      {
        name: 'write',
        run: async (context) => {
          const written = await write(backups, context);
          release(context.operationId);
          return written;
        },
        undo: (context) => forgetPoint(backups, context),
      },
      {
        name: 'finish',
        pivot: true,
        run: async (context) => {
          await finish(backups, context);
          return null;
        },
      },
    ],
    output: ({ vmId, repositoryId }, { fork: forked, write: written }) => ({
      vmId,
      repositoryId,
      backupId: written.pointId,
      consistency: forked.consistency,
      reason: forked.reason,
      frozenMs: forked.frozenMs,
      disks: written.disks.map(({ root: _, ...figures }) => figures),
    }),
  });

  function fork(
    { forks }: BackupHost,
    { input, operationId, signal }: StepContext<BackupInput, Results>,
  ): Promise<ForkOutput> {
    return forks.run(
      {
        vmId: input.vmId,
        vmName: input.vmName,
        pin: {
          id: pinId(operationId),
          reason: `the backup "${input.name}" to "${input.repositoryName}"`,
          operationId,
          expiresAt: null,
        },
        reference: null,
        consistency: input.consistency,
        freezeLimitMs: input.freezeLimitMs,
      },
      forkId(operationId),
      signal,
    );
  }
}

async function write(
  backups: BackupHost,
  { input, operationId, result, signal, progress }: StepContext<BackupInput, Results>,
): Promise<Results['write']> {
  const { connections, store } = backups;
  await using repository = await connections.open(input.repositoryId, signal);
  const fork = result('fork');
  const { mode, auditDays } = await readTrackingSettings(store, input.vmId);
  const own = new Pace(input.bytesPerSecond);
  const task = {
    operationId,
    name: input.name,
    vmId: input.vmId,
    vmName: input.vmName,
    pinId: pinId(operationId),
    repositoryId: repository.id,
    fork,
    plan: input.plan,
    auditRoundMs: auditDays * dayMs,
    progress: (done: number, total: number) => progress({ done, total, unit: 'bytes', message: 'reading' }),
    pace: async (bytes: number) => {
      await own.take(bytes, signal);
      await backups.pace.take(bytes, signal);
    },
    signal,
  };
  const all = fork.settings.disks.map(({ id }) => id);
  const tracked = mode === 'changes';
  const full = new Set(
    input.full || !tracked ? all : await suspectDisks(store, input.vmId, repository.id, all),
  );
  const written = await writeOrReadAgain(backups, repository, input, { ...task, full });
  const { point, readInFull } = written;
  return { pointId: point.id, disks: point.disks, readInFull, tracked };
}

/** What the tracking says of a disk that was found to differ cannot be believed: it is read from end to end. */
async function writeOrReadAgain(
  backups: BackupHost,
  repository: Repository,
  { repositoryName }: BackupInput,
  task: Omit<PointTask, 'pointId' | 'audited'>,
): Promise<WrittenPoint> {
  const { operationId, repositoryId } = task;
  try {
    return await writeVmPoint(backups, repository, {
      ...task,
      pointId: pointId(operationId, 1),
      audited: null,
    });
  } catch (cause) {
    if (!(cause instanceof AuditMismatch)) throw cause;
    const vm = { kind: 'vm', id: task.vmId, name: task.vmName } as const;
    const { outcome } = cause;
    for (const mismatch of outcome.mismatches) {
      await noteMismatch(backups, { operationId, vm, repositoryId, repositoryName }, mismatch);
    }
    return await writeVmPoint(backups, repository, {
      ...task,
      pointId: pointId(operationId, 2),
      full: new Set([...task.full, ...outcome.mismatches.map(({ diskId }) => diskId)]),
      audited: outcome,
    });
  }
}

/** Those of which an audit found more changed than was known, and which were not read in full since. */
async function suspectDisks(
  store: BackupHost['store'],
  vmId: string,
  repositoryId: string,
  diskIds: readonly string[],
): Promise<string[]> {
  const audits = new AuditRecords(store);
  const records = await Promise.all(diskIds.map((id) => audits.read(vmId, repositoryId, id)));
  return diskIds.filter((_, index) => records[index]?.suspect);
}

/** Undoes the fork, wherever it stands. Repeatable. */
async function letGo(
  { host, forks }: BackupHost,
  { input, operationId, reason, signal }: UndoContext<BackupInput, Results>,
): Promise<void> {
  await forks.abandon(forkId(operationId), signal);
  const record = await host.records.find(input.vmId);
  if (!record) return;
  await releasePin(host, input.vmId, pinId(operationId), signal);
  await host.emit(
    'vm.backup-failed',
    { kind: 'vm', id: input.vmId, name: input.vmName },
    { repository: input.repositoryName, reason: reason?.message ?? 'It was cancelled.' },
  );
}

/** What a killed try left in the repository. Where that is out of reach it is prune's to clean: nothing waits for it. */
async function forgetPoint(
  { host, connections }: BackupHost,
  { input, operationId, signal }: UndoContext<BackupInput, Results>,
): Promise<void> {
  try {
    await using repository = await connections.open(input.repositoryId, signal);
    for (const attempt of [1, 2]) {
      const id = pointId(operationId, attempt);
      await giveUpSession(repository.context, id, signal);
      await deletePoint(repository.context, id, signal).catch(neverMade);
    }
  } catch (cause) {
    signal.throwIfAborted();
    host.log.warn({ err: cause, vm: input.vmName }, 'what a failed backup stored is left to the next prune');
  }
}

function neverMade(cause: unknown): void {
  if (!isCorralError(cause, 'repository.point-not-found')) throw cause;
}

/** Repeatable; also when the VM was deleted as soon as its pin was gone: with it all of this went. */
async function finish(backups: BackupHost, context: StepContext<BackupInput, Results>): Promise<void> {
  try {
    await keepReference(backups, context);
  } catch (cause) {
    if (!isCorralError(cause, 'vm.not-found')) throw cause;
  }
  const { consistency, reason } = context.result('fork');
  const { name, repositoryName, vmId, vmName } = context.input;
  await backups.host.emit(
    'vm.backed-up',
    { kind: 'vm', id: vmId, name: vmName },
    { repository: repositoryName, point: name, consistency, reason },
  );
}

/** The next backup counts from this one. @throws vm.not-found */
async function keepReference(
  { host, connections, store }: BackupHost,
  { input, operationId, result, signal }: StepContext<BackupInput, Results>,
): Promise<void> {
  const { pointId: id, readInFull, tracked } = result('write');
  const { repositoryId } = await connections.records.get(input.repositoryId);
  const { forkedAt } = result('fork');
  const audits = new AuditRecords(store);
  for (const diskId of readInFull)
    await audits.write(input.vmId, repositoryId, diskId, provedRecord(forkedAt));
  await host.chainRecords.change(input.vmId, (state) => {
    if (!state.pins.some((pin) => pin.id === pinId(operationId))) return state;
    const pin = pinOf(state, pinId(operationId));
    const backup = { repositoryId, repositoryName: input.repositoryName, pointId: id };
    return withBackupDone(state, pin, backup, tracked);
  });
  // Its states have a name now: what is saved when the pin goes is saved for it.
  await releasePin(host, input.vmId, pinId(operationId), signal);
  await tidyEdges(host, input.vmId, signal);
  host.chains.look(input.vmId);
}
