import { isApiProblem } from '@corral/api/api-problem';
import type { Client } from '@corral/api/client.gen';
import type { Backup } from '@corral/api/schemas/backup';
import type { Operation } from '@corral/api/schemas/operation';
import { isCorralError } from '@corral/core/errors';
import { formatSize } from '@corral/core/units';
import type { Context } from '../../context.ts';
import { cliErrors } from '../../errors.ts';
import { seeThrough } from '../../operation/run-operation.ts';
import { print, printLine } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { bandwidth, consistencyOption, freezeLimit } from './backup-options.ts';

export const backupRun: CommandDefinition = {
  description:
    'Backs up VMs, running, paused, saved or off. The guest is frozen through its agent for milliseconds while its disks are forked; what changed since the last backup to the same repository is read while it goes on writing. Every backup is a full one to restore from. Of several VMs one that fails keeps no other waiting. With -o json one VM gives a backup, several give a list.',
  examples: [
    {
      command: 'corral backup run web1 --repository vault',
      explains: 'incremental, if there was one before',
    },
    { command: 'corral backup run web1 db1 --repository vault', explains: 'several at once' },
    {
      command: 'corral backup run db1 --repository vault --consistency application',
      explains: 'only if a hook of its guest brings the database to a halt',
    },
  ],
  define: (command, context) => {
    command
      .argument('<vm...>', 'names or ids')
      .requiredOption('--repository <repository>', 'where to')
      .option('--name <new-name>', 'name of the backup; default: the time')
      .option('--full', 'read every disk from end to end')
      .addOption(consistencyOption())
      .option(...freezeLimit)
      .option(...bandwidth)
      .option(...noWait)
      .option(...waitLimit)
      .action(
        async (
          vms,
          { repository, name, full, consistency, freezeLimit: limitMs, bandwidth: rate, ...choice },
        ) => {
          const request = {
            repository,
            ...(name !== undefined && { name }),
            ...(consistency !== undefined && { consistency }),
            ...(limitMs !== undefined && { freezeLimitMs: limitMs }),
            ...(rate !== undefined && { bytesPerSecond: rate }),
            full: full === true,
          };
          const client = await context.client();
          const failures: Failure[] = [];
          const begun = await eachOf(
            vms,
            (vm) => vm,
            failures,
            async (vm) => ({
              vm,
              operation: await client.backup.run(vm, request, context.call),
            }),
          );
          if (choice.wait) {
            const backups = await eachOf(
              begun,
              ({ vm }) => vm,
              failures,
              async ({ operation }) => {
                const ended = await seeThrough(context, client, operation, choice);
                return await backupOf(context, client, ended, repository);
              },
            );
            await printBackups(context, backups, vms.length);
          } else {
            await printBegun(
              context,
              begun.map(({ operation }) => operation),
              vms.length,
            );
          }
          throwIfAny(failures, vms.length);
        },
      );
  },
};

interface Failure {
  readonly vm: string;
  readonly cause: Error;
}

/** What goes wrong with one VM keeps no other from being backed up; it is told at the end. One alone ends the command. */
async function eachOf<Item, Result>(
  items: readonly Item[],
  vmOf: (item: Item) => string,
  failures: Failure[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) {
    try {
      results.push(await work(item));
    } catch (cause) {
      if (!isOfOneVm(cause)) throw cause;
      failures.push({ vm: vmOf(item), cause });
    }
  }
  return results;
}

/** Not the daemon's absence, a limit of this command or a signal to it. */
function isOfOneVm(cause: unknown): cause is Error {
  const ends = ['cli.failed', 'cli.stuck', 'cli.cancelled'];
  return isApiProblem(cause) || ends.some((code) => isCorralError(cause, code));
}

/** @throws what went wrong with the one VM; cli.not-backed-up where there were several */
function throwIfAny(failures: readonly Failure[], of: number): void {
  const [first] = failures;
  if (!first) return;
  if (of === 1) throw first.cause;
  const lines = failures.map(({ vm, cause }) => `${vm}: ${cause.message}`);
  throw cliErrors['not-backed-up']({ failures: lines, of }, { cause: first.cause });
}

async function backupOf(
  context: Context,
  client: Client,
  { output }: Operation,
  repository: string,
): Promise<Backup> {
  const { backupId } = output as { readonly backupId: string };
  return await client.backup.show(backupId, { repository }, context.call);
}

async function printBegun(context: Context, begun: readonly Operation[], asked: number): Promise<void> {
  if (context.output === 'json') return printObjects(context, begun, asked);
  for (const { id, name } of begun) await printLine(context, `${id}  ${name}`);
}

async function printBackups(context: Context, backups: readonly Backup[], asked: number): Promise<void> {
  if (context.output === 'json') return printObjects(context, backups, asked);
  for (const backup of backups) await printLine(context, sentence(backup));
}

async function printObjects(context: Context, objects: readonly unknown[], asked: number): Promise<void> {
  if (asked > 1) await print(context, { items: objects, next: null });
  else if (objects.length > 0) await print(context, objects[0]);
}

function sentence({ vm, name, base, consistency, reason, frozenMs, disks, repository }: Backup): string {
  const sum = (figure: 'readBytes' | 'storedBytes'): string =>
    formatSize(disks.reduce((total, disk) => total + disk[figure], 0));
  const why = reason === null ? '' : ` (${reason})`;
  const frozen = frozenMs === 0 ? '' : `, the guest was frozen for ${frozenMs} ms`;
  const kind = base === null ? 'in full' : 'incrementally';
  return `${vm.name} is backed up to ${repository.name} as ${name}, ${kind}: ${sum('readBytes')} read, ${sum('storedBytes')} stored, consistency ${consistency}${why}${frozen}.`;
}
