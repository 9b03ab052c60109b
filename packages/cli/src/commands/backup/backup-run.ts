import type { Client } from '@corral/api/client.gen';
import type { Backup } from '@corral/api/schemas/backup';
import type { Operation } from '@corral/api/schemas/operation';
import { formatSize } from '@corral/core/units';
import type { Context } from '../../context.ts';
import { seeThrough } from '../../operation/run-operation.ts';
import { print, printLine } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { bandwidth, consistencyOption, freezeLimit } from './backup-options.ts';

export const backupRun: CommandDefinition = {
  description:
    'Backs up VMs, running, paused, saved or off. The guest is frozen through its agent for milliseconds while its disks are forked; what changed since the last backup to the same repository is read while it goes on writing. Every backup is a full one to restore from. With -o json one VM gives a backup, several give a list.',
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
          const begun: Operation[] = [];
          for (const vm of vms) begun.push(await client.backup.run(vm, request, context.call));
          if (!choice.wait) return printBegun(context, begun);
          const backups: Backup[] = [];
          for (const operation of begun) {
            backups.push(
              await backupOf(
                context,
                client,
                await seeThrough(context, client, operation, choice),
                repository,
              ),
            );
          }
          await printBackups(context, backups);
        },
      );
  },
};

async function backupOf(
  context: Context,
  client: Client,
  { output }: Operation,
  repository: string,
): Promise<Backup> {
  const { backupId } = output as { readonly backupId: string };
  return await client.backup.show(backupId, { repository }, context.call);
}

async function printBegun(context: Context, begun: readonly Operation[]): Promise<void> {
  if (context.output === 'json') return print(context, begun.length === 1 ? begun[0] : list(begun));
  for (const { id, name } of begun) await printLine(context, `${id}  ${name}`);
}

async function printBackups(context: Context, backups: readonly Backup[]): Promise<void> {
  if (context.output === 'json') return print(context, backups.length === 1 ? backups[0] : list(backups));
  for (const backup of backups) await printLine(context, sentence(backup));
}

const list = <T>(items: readonly T[]) => ({ items, next: null });

function sentence({ vm, name, base, consistency, reason, frozenMs, disks, repository }: Backup): string {
  const sum = (figure: 'readBytes' | 'storedBytes'): string =>
    formatSize(disks.reduce((total, disk) => total + disk[figure], 0));
  const why = reason === null ? '' : ` (${reason})`;
  const frozen = frozenMs === 0 ? '' : `, the guest was frozen for ${frozenMs} ms`;
  const kind = base === null ? 'in full' : 'incrementally';
  return `${vm.name} is backed up to ${repository.name} as ${name}, ${kind}: ${sum('readBytes')} read, ${sum('storedBytes')} stored, consistency ${consistency}${why}${frozen}.`;
}
