import { Option } from '@commander-js/extra-typings';
import { operationStates } from '@corral/core/operation-states';
import { collect, showPage } from '../../list.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { after, limit } from '../page-options.ts';

/** What people see unless they say how many: the newest, about a screen. */
const shownToPeople = 50;

export const operationList: CommandDefinition = {
  description: `Lists operations, newest first: the latest ${shownToPeople} for people, all of them with -o json.`,
  examples: [
    { command: 'corral operation list', explains: 'the latest' },
    { command: 'corral operation list --state running', explains: 'those under way' },
    { command: 'corral operation list --vm web1', explains: 'those of a VM' },
  ],
  define: (command, context) => {
    command
      .addOption(new Option('--state <state>', 'only those in this state').choices(operationStates))
      .option('--vm <vm>', 'only those of this VM')
      .option(...limit)
      .option(...after)
      .action(async ({ state, vm, ...options }) => {
        const client = await context.client();
        const target = vm === undefined ? undefined : `vm/${(await client.vm.show(vm, context.call)).id}`;
        const pages = context.output === 'json' ? options : { limit: shownToPeople, ...options };
        const page = await collect(pages, (query) =>
          client.operation.list(
            { ...query, ...(state && { state }), ...(target && { target }) },
            context.call,
          ),
        );
        await showPage(
          context,
          page,
          async () => (await import('../../views/operation-view.ts')).operationTable,
        );
      });
  },
};
