/** The commands that list all there is of a kind: a page or everything, a table or JSON. */
import type { Client } from '@corral/api/client.gen';
import type { CallOptions } from '@corral/api/client-types';
import type { Context } from '../context.ts';
import { collect, type Page, type PageOptions, showPage } from '../list.ts';
import type { Paint } from '../render/paint.ts';
import type { CommandDefinition, Example } from '../tree/command-tree.ts';
import { after, limit } from './page-options.ts';

interface PageQuery {
  readonly limit: number;
  readonly after?: string;
}

/** Loads what makes a table of the items: only people need it. */
type LoadView<T> = () => Promise<(items: readonly T[], paint: Paint) => string>;

/** `corral image list` */
export function listCommand<T>(
  examples: readonly Example[],
  list: (client: Client, query: PageQuery, call: CallOptions) => Promise<Page<T>>,
  view: LoadView<T>,
): CommandDefinition {
  return {
    examples,
    define: (command, context) => {
      command
        .option(...limit)
        .option(...after)
        .action((options) => showList(context, options, list, view));
    },
  };
}

/** What a VM or a repository has several of: `corral vm disk list web1` */
export function listWithinCommand<T>(
  owner: '<vm>' | '<repository>',
  examples: readonly Example[],
  list: (client: Client, owner: string, query: PageQuery, call: CallOptions) => Promise<Page<T>>,
  view: LoadView<T>,
): CommandDefinition {
  return {
    examples,
    define: (command, context) => {
      command
        .argument(owner, 'name or id')
        .option(...limit)
        .option(...after)
        .action((name, options) =>
          showList(context, options, (client, query, call) => list(client, name, query, call), view),
        );
    },
  };
}

async function showList<T>(
  context: Context,
  options: PageOptions,
  list: (client: Client, query: PageQuery, call: CallOptions) => Promise<Page<T>>,
  view: LoadView<T>,
): Promise<void> {
  const client = await context.client();
  const page = await collect(options, (query) => list(client, query, context.call));
  await showPage(context, page, view);
}
