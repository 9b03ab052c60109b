import { eachItem } from '@corral/api/caller';
import type { Client } from '@corral/api/client.gen';
import type { ChangedExtent, Changes } from '@corral/api/schemas/reference';
import { parseDuration } from '@corral/core/units';
import type { Context } from '../../context.ts';
import { cliErrors } from '../../errors.ts';
import { collect, showPage } from '../../list.ts';
import { runOperation } from '../../operation/run-operation.ts';
import { print, say } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { consistencyOption, freezeLimit } from '../backup/backup-options.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const changesCommand: CommandDefinition = {
  description:
    'Holds the disks of a VM still, as they are now, and tells what changed since a reference point: the extents, and an NBD address on the host from which they can be read, read-only, until they are closed or expire. The guest goes on. Never fewer bytes than did change. Without --since: what is held open.',
  examples: [
    {
      command: 'corral changes web1 data --since monday -o json',
      explains: 'the extents of one disk, and where to read them',
    },
    {
      command: 'corral changes web1 --since monday --reference tuesday -o json',
      explains: 'all disks of one instant, and the reference point to ask from next time',
    },
    { command: 'corral changes web1', explains: 'what is held open' },
    { command: 'corral changes web1 --close 6f1c...', explains: 'done with it' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('[disk]', 'only this one; default: all')
      .option('--since <reference>', 'reference point, name or id')
      .option('--reference <new-name>', 'create a reference point of this name at the same instant')
      .option('--keep <duration>', 'how long they can be read; default: 1h', (text: string): number =>
        parseDuration(text),
      )
      .option('--close <id>', 'let go of what is held open')
      .addOption(consistencyOption())
      .option(...freezeLimit)
      .option(...noWait)
      .option(...waitLimit)
      .action(
        async (vm, disk, { since, reference, keep, close, consistency, freezeLimit: limitMs, ...choice }) => {
          if (close !== undefined) return closeChanges(context, vm, close, choice);
          if (since === undefined) return listChanges(context, vm);
          if (disk !== undefined) await requireDisk(context, vm, disk);
          const request = {
            since,
            ...(reference !== undefined && { reference }),
            ...(keep !== undefined && { keepMs: keep }),
            ...(consistency !== undefined && { consistency }),
            ...(limitMs !== undefined && { freezeLimitMs: limitMs }),
          };
          await runOperation(
            context,
            choice,
            (client) => client.changes.open(vm, request, context.call),
            async (client, { output }) => {
              const { changesId } = output as { readonly changesId: string };
              const changes = await client.changes.show(vm, changesId, context.call);
              await showChanges(context, client, vm, changes, disk);
            },
          );
        },
      );
  },
};

/** Before anything is held open: it would stay so for an hour. @throws cli.value */
async function requireDisk(context: Context, vm: string, wanted: string): Promise<void> {
  const { disks } = await (await context.client()).vm.show(vm, context.call);
  if (disks.every(({ name }) => name !== wanted)) throw noSuchDisk(wanted, disks);
}

function noSuchDisk(text: string, disks: readonly { readonly name: string }[]): Error {
  const expected = `It has ${disks.map(({ name }) => name).join(', ')}.`;
  return cliErrors.value({ what: 'a disk of the VM', text, expected });
}

async function showChanges(
  context: Context,
  client: Client,
  vm: string,
  changes: Changes,
  wanted: string | undefined,
): Promise<void> {
  const disks = [];
  for (const disk of changes.disks.filter(({ name }) => wanted === undefined || name === wanted)) {
    const nbd = changes.nbd.replace('/DISK', `/${disk.name}`);
    const extents = await Array.fromAsync(extentsOf(context, client, vm, changes.id, disk.name));
    disks.push({ ...disk, nbd, extents });
  }
  const [one] = disks;
  if (wanted !== undefined && !one) throw noSuchDisk(wanted, changes.disks);
  const { disks: _, nbd: __, ...facts } = changes;
  if (context.output === 'json') {
    return print(context, wanted === undefined ? { ...facts, disks } : { ...facts, disk: wanted, ...one });
  }
  const { changesText } = await import('../../views/reference-view.ts');
  context.io.stdout.write(changesText(changes, disks, context.paint));
}

function extentsOf(
  context: Context,
  client: Client,
  vm: string,
  id: string,
  disk: string,
): AsyncIterable<ChangedExtent> {
  const limit = 100_000;
  return eachItem((after) =>
    client.changes.extents(vm, id, disk, after === undefined ? { limit } : { limit, after }, context.call),
  );
}

async function listChanges(context: Context, vm: string): Promise<void> {
  const client = await context.client();
  const page = await collect({}, (query) => client.changes.list(vm, query, context.call));
  await showPage(context, page, async () => (await import('../../views/reference-view.ts')).changesTable);
}

async function closeChanges(
  context: Context,
  vm: string,
  id: string,
  choice: Parameters<typeof runOperation>[1],
): Promise<void> {
  await runOperation(
    context,
    choice,
    (client) => client.changes.close(vm, id, context.call),
    (_client, operation) => say(context, operation, `The disks of ${vm} are let go of.`),
  );
}
