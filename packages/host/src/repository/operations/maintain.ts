/** repository.set, repository.check, repository.prune, repository.repair: what looks after a repository. */
import {
  type RepositoryCheckReport,
  type RepositoryPruneResult,
  type RepositoryRepairResult,
  RetentionRules,
} from '@corral/api/schemas/repository';
import { check } from '@corral/backup/check/check';
import { type HarmedBackup, isSound } from '@corral/backup/check/check-report';
import { repair } from '@corral/backup/check/repair';
import { prune } from '@corral/backup/prune/prune';
import { extendLocks } from '@corral/backup/retention/extend-locks';
import { tightenPolicy } from '@corral/backup/retention/policy';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { deleteExpired } from '../delete-expired.ts';
import {
  connectionTarget,
  maintenanceTarget,
  type Named,
  type RepositoryHost,
  repositorySubject,
  sessionsOfTry,
} from '../repository-host.ts';

const Target = z.strictObject({ id: z.string(), name: z.string() });
/** Lists in an operation's output end here: it is kept for long. */
const mostListed = 100;
/** Names in an event. */
const mostNamed = 20;

const SetInput = Target.extend({
  retention: RetentionRules.optional(),
  appendOnly: z.boolean().optional(),
  lockDays: z.int().optional(),
});

export function repositorySet(host: RepositoryHost) {
  return defineOperation<z.infer<typeof SetInput>, { tighten: null; store: null }>({
    kind: 'repository.set',
    input: (json) => SetInput.parse(json),
    target: ({ id }) => [connectionTarget(id), `repository-settings/${id}`],
    title: ({ name }) => `Change repository ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        // Before our own record: what the repository refuses is not recorded.
        name: 'tighten',
        run: async ({ input, signal }) => {
          const { id, appendOnly, lockDays } = input;
          if (appendOnly === undefined && lockDays === undefined) return null;
          await using repository = await host.connections.open(id, signal);
          const wanted = {
            ...(appendOnly !== undefined && { appendOnly }),
            ...(lockDays !== undefined && { lockDays }),
          };
          await tightenPolicy(repository.context, wanted);
          const { policy } = repository.context.state;
          await host.connections.records.update(id, (record) => ({ ...record, policy }));
          return null;
        },
      },
      {
        name: 'store',
        pivot: true,
        run: async ({ input }) => {
          const { id, name, retention } = input;
          if (retention) await host.connections.records.update(id, (record) => ({ ...record, retention }));
          await host.emit('repository.changed', repositorySubject({ id, name }));
          return null;
        },
      },
    ],
    output: ({ id }) => ({ repositoryId: id }),
  });
}

const CheckInput = Target.extend({ readData: z.boolean() });

export function repositoryCheck(host: RepositoryHost) {
  return defineOperation<z.infer<typeof CheckInput>, { look: RepositoryCheckReport }>({
    kind: 'repository.check',
    input: (json) => CheckInput.parse(json),
    target: ({ id }) => [connectionTarget(id)],
    title: ({ name, readData }) => `Check repository ${name}${readData ? ', reading all data' : ''}`,
    cancellable: true,
    afterCrash: 'resume',
    steps: [
      {
        name: 'look',
        run: async ({ input, progress, signal }) => {
          await using repository = await host.connections.open(input.id, signal);
          progress({ done: 0, total: null, unit: 'bytes', message: 'looking at names and sizes' });
          const report = await check(repository.context, {
            readData: input.readData,
            onProgress: (done, total) => progress({ done, total, unit: 'bytes', message: 'proving packs' }),
            signal,
          });
          await tellDamage(host, input, report.harmed, report.unreadable, isSound(report));
          return {
            sound: isSound(report),
            points: report.points,
            packs: report.packs,
            blobs: report.blobs,
            provedBytes: report.provedBytes,
            problems: report.problems.slice(0, mostListed),
            problemCount: report.problems.length,
            harmed: report.harmed.slice(0, mostListed).map(harmedDocument),
            harmedCount: report.harmed.length,
            unreadable: report.unreadable.slice(0, mostListed),
          };
        },
      },
    ],
    output: (_input, results) => results.look,
  });
}

async function tellDamage(
  host: RepositoryHost,
  target: Named,
  harmed: readonly HarmedBackup[],
  unreadable: readonly string[],
  sound: boolean,
): Promise<void> {
  if (sound) return;
  const backups = [...harmed.map(({ vm, name, createdAt }) => `${vm} ${name} (${createdAt})`), ...unreadable];
  const data = { count: backups.length, backups: backups.slice(0, mostNamed) };
  await host.emit('repository.damaged', repositorySubject(target), data);
}

function harmedDocument(backup: HarmedBackup): RepositoryCheckReport['harmed'][number] {
  const { point, vm, name, createdAt, streams } = backup;
  const lostBytes = streams.reduce((sum, stream) => sum + stream.lostBytes, 0);
  return { point, vm, name, createdAt, disks: streams.map((stream) => stream.name), lostBytes };
}

const PruneInput = Target.extend({ applyRetention: z.boolean() });

interface PruneResults {
  readonly 'renew-locks': null;
  readonly 'delete-expired': Pick<RepositoryPruneResult, 'deletedPoints' | 'lockedPoints'>;
  readonly sweep: Omit<RepositoryPruneResult, 'deletedPoints' | 'lockedPoints'>;
}

/** Each step takes up where a killed one left: what is deleted is deleted, and prune looks anew. */
export function repositoryPrune(host: RepositoryHost) {
  return defineOperation<z.infer<typeof PruneInput>, PruneResults>({
    kind: 'repository.prune',
    input: (json) => PruneInput.parse(json),
    target: ({ id }) => [connectionTarget(id), maintenanceTarget(id)],
    title: ({ name }) => `Prune repository ${name}`,
    cancellable: true,
    afterCrash: 'resume',
    steps: [
      {
        // Deduplication lets new locked points rest on packs whose own retention in the store would end too early.
        name: 'renew-locks',
        run: async ({ input, progress, signal }) => {
          progress({ done: 0, total: null, unit: 'steps', message: 'renewing locks' });
          await using repository = await host.connections.open(input.id, signal);
          repository.context.throwIfAppendOnly();
          await extendLocks(repository.context, signal);
          return null;
        },
      },
      {
        name: 'delete-expired',
        run: async ({ input, progress, signal }) => {
          if (!input.applyRetention) return { deletedPoints: 0, lockedPoints: 0 };
          progress({ done: 0, total: null, unit: 'steps', message: 'deleting backups that no rule keeps' });
          await using repository = await host.connections.open(input.id, signal);
          const { retention } = await host.connections.records.get(input.id);
          return await deleteExpired(repository, retention, { signal });
        },
      },
      {
        name: 'sweep',
        run: async (context) => {
          const { input, progress, signal } = context;
          await using repository = await host.connections.open(input.id, signal);
          const sessionId = (await sessionsOfTry(repository, context, ['prune']))('prune');
          const result = await prune(repository.context, {
            sessionId,
            onStage: (message) => progress({ done: 0, total: null, unit: 'steps', message }),
            signal,
          });
          const { deletedPacks, deletedBytes: freedBytes, copiedBlobs, waitingPacks } = result;
          return { deletedPacks, freedBytes, copiedBlobs, waitingPacks };
        },
      },
    ],
    output: (_input, results) => ({ ...results['delete-expired'], ...results.sweep }),
  });
}

export function repositoryRepair(host: RepositoryHost) {
  return defineOperation<Named, { repair: RepositoryRepairResult }>({
    kind: 'repository.repair',
    input: (json) => Target.parse(json),
    target: ({ id }) => [connectionTarget(id), maintenanceTarget(id)],
    title: ({ name }) => `Repair repository ${name}`,
    cancellable: true,
    afterCrash: 'resume',
    steps: [
      {
        name: 'repair',
        run: async (context) => {
          const { input, progress, signal } = context;
          progress({ done: 0, total: null, unit: 'steps', message: 'proving packs, keeping what is sound' });
          await using repository = await host.connections.open(input.id, signal);
          const sessionId = (await sessionsOfTry(repository, context, ['repair']))('repair');
          const result = await repair(repository.context, signal, sessionId);
          const { harmed, removedObjects, removedPoints } = result;
          const data = { harmed: harmed.length, removed: removedPoints.length };
          await host.emit('repository.repaired', repositorySubject(input), data);
          return {
            ...result,
            removedPoints: removedPoints.slice(0, mostListed),
            removedObjects: removedObjects.slice(0, mostListed),
            harmed: harmed.slice(0, mostListed).map(harmedDocument),
          };
        },
      },
    ],
    output: (_input, results) => results.repair,
  });
}
