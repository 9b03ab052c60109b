import { Option } from '@commander-js/extra-typings';
import type { Context } from '../../../context.ts';
import { cliErrors } from '../../../errors.ts';
import { collect, showPage } from '../../../list.ts';
import { printLine, say } from '../../../output.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';

export const guestKv: CommandDefinition = {
  description:
    'Exchanges key-value data with the guest: the host writes pairs that the guest reads, and the guest writes others for the host. Without a key all are listed; with a key its value is printed; with a value too it is written.',
  examples: [
    { command: 'corral vm guest kv web1', explains: 'all pairs and who wrote them' },
    { command: 'corral vm guest kv web1 ready', explains: 'what the guest wrote under this key' },
    { command: 'corral vm guest kv web1 role primary', explains: 'write a pair for the guest' },
    { command: 'corral vm guest kv web1 role --source host', explains: 'read what the host wrote' },
    { command: 'corral vm guest kv web1 role --delete', explains: 'delete a pair that the host wrote' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('[key]', 'letters, digits, ".", "_" and "-"')
      .argument('[value]', 'what to write')
      .addOption(new Option('--source <side>', 'who wrote it').choices(['host', 'guest'] as const))
      .option('--delete', 'delete the pair that the host wrote')
      .action(async (vm, key, value, { source, delete: remove = false }) => {
        if (key === undefined) {
          if (remove) throw usage('--delete needs a key.');
          return listPairs(context, vm, source);
        }
        if (remove) {
          if (value !== undefined || source === 'guest')
            throw usage('--delete takes a key of the host and no value.');
          return deletePair(context, vm, key);
        }
        if (value === undefined) return showPair(context, vm, key, source);
        if (source === 'guest') throw usage('The host writes pairs of the host only.');
        return writePair(context, vm, key, value);
      });
  },
};

type Source = 'host' | 'guest' | undefined;

async function listPairs(context: Context, vm: string, source: Source): Promise<void> {
  const client = await context.client();
  const filter = source && { source };
  const page = await collect({}, (query) => client.guest.kv.list(vm, { ...query, ...filter }, context.call));
  await showPage(context, page, async () => (await import('../../../views/guest-view.ts')).keyValueTable);
}

async function showPair(context: Context, vm: string, key: string, source: Source): Promise<void> {
  const client = await context.client();
  const pair = await client.guest.kv.get(vm, key, source && { source }, context.call);
  await say(context, pair, pair.value);
}

async function writePair(context: Context, vm: string, key: string, value: string): Promise<void> {
  const client = await context.client();
  const pair = await client.guest.kv.put(vm, key, { value }, context.call);
  await say(context, pair, `${pair.key} is written for ${vm}.`);
}

async function deletePair(context: Context, vm: string, key: string): Promise<void> {
  const client = await context.client();
  await client.guest.kv.delete(vm, key, context.call);
  if (context.output === 'table') await printLine(context, `${key} is deleted.`);
}

function usage(message: string): Error {
  return cliErrors.usage({ message, see: 'corral vm guest kv --help' });
}
