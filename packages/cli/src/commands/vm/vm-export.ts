import { runOperation } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import { hostPath } from '../../parse/host-path.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { consistencyOption, freezeLimit } from '../backup/backup-options.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const vmExport: CommandDefinition = {
  description:
    'Writes a VM as it is now to a directory of the host: its settings and each disk as one file. With --since only what changed of the disks since a reference point, to be put on a full export. The VM runs on meanwhile. "corral vm register" brings it back.',
  examples: [
    {
      command: 'corral export web1 /srv/exports/monday --reference monday',
      explains: 'all of it, and a reference point to continue from',
    },
    {
      command: 'corral export web1 /srv/exports/tuesday --since monday --reference tuesday',
      explains: 'what changed since',
    },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<directory>', 'directory on the host; new, or empty')
      .option('--since <reference>', 'reference point, name or id')
      .option('--reference <new-name>', 'create a reference point of this name at the same instant')
      .addOption(consistencyOption())
      .option(...freezeLimit)
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, directory, { since, reference, consistency, freezeLimit: limitMs, ...choice }) => {
        const path = hostPath(directory, context.endpoint.kind === 'socket', context.io.currentDirectory);
        const request = {
          directory: path,
          ...(since !== undefined && { since }),
          ...(reference !== undefined && { reference }),
          ...(consistency !== undefined && { consistency }),
          ...(limitMs !== undefined && { freezeLimitMs: limitMs }),
        };
        await runOperation(
          context,
          choice,
          (client) => client.vm.export(vm, request, context.call),
          (_client, operation) => say(context, operation, sentence(vm, path, since)),
        );
      });
  },
};

function sentence(vm: string, path: string, since: string | undefined): string {
  return since === undefined
    ? `VM ${vm} is exported to ${path}.`
    : `What changed of ${vm} since ${since} is exported to ${path}.`;
}
