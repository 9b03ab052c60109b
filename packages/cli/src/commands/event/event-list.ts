import { Option } from '@commander-js/extra-typings';
import { collect, showPage } from '../../list.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { after, limit } from '../page-options.ts';
import { severities, severityHelp, subject, type } from './event-options.ts';

/** What people see unless they say how many: the newest, about a screen. */
const shownToPeople = 50;

export const eventList: CommandDefinition = {
  description: `Lists events. People see the latest ${shownToPeople}, the newest at the bottom; with -o json it is all of them, the newest first unless --order says otherwise.`,
  examples: [
    { command: 'corral event list', explains: 'the latest' },
    { command: 'corral event list --severity warning --limit 500', explains: 'what went wrong' },
    {
      command: 'corral event list --subject web1 --type vm -o json',
      explains: 'the life of a VM, for programs',
    },
  ],
  define: (command, context) => {
    command
      .option(...subject)
      .option(...type)
      .addOption(new Option('--severity <severity>', severityHelp).choices(severities))
      .addOption(new Option('--order <first>', 'which come first').choices(['oldest', 'newest'] as const))
      .option(...limit)
      .option(...after)
      .action(async ({ order, limit: count, after: next, ...filter }) => {
        const client = await context.client();
        const forPeople = context.output === 'table';
        const page = await collect(
          { limit: count ?? (forPeople ? shownToPeople : undefined), after: next },
          (query) => client.event.list({ ...query, ...filter, ...(order && { order }) }, context.call),
        );
        await showPage(context, page, async () => {
          const { eventLine } = await import('../../views/event-view.ts');
          return (events, paint) => {
            const shown = order === undefined ? events.toReversed() : events;
            return shown.map((event) => eventLine(event, paint)).join('');
          };
        });
      });
  },
};
