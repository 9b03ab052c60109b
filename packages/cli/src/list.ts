/** Lists: all pages by default, or one page at a time with `--limit` and `--after`. */
import { eachItem } from '@corral/api/caller';
import type { Context } from './context.ts';
import { write } from './io.ts';
import { print } from './output.ts';
import type { Paint } from './render/paint.ts';

export interface PageOptions {
  readonly limit?: number | undefined;
  readonly after?: string | undefined;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/** The most that the API gives at once: fewer requests for the whole. */
const largestPage = 1000;

/** One page if `--limit` or `--after` asks for one, else all of them as one. */
export async function collect<T>(
  options: PageOptions,
  page: (query: { limit: number; after?: string }) => Promise<Page<T>>,
): Promise<Page<T>> {
  const { limit, after } = options;
  const start = after !== undefined && { after };
  if (limit !== undefined) return page({ limit, ...start });
  const items = await Array.fromAsync(
    eachItem((next) => page({ limit: largestPage, ...(next === undefined ? start : { after: next }) })),
  );
  return { items, next: null };
}

/** Prints a page: the API's object for programs, a table for people. */
export async function showPage<T>(
  context: Context,
  page: Page<T>,
  view: () => Promise<(items: readonly T[], paint: Paint) => string>,
): Promise<void> {
  if (context.output === 'json') return print(context, page);
  const render = await view();
  await write(context.io.stdout, render(page.items, context.paint));
  if (page.next !== null) await write(context.io.stderr, `There is more: --after ${page.next}\n`);
}
