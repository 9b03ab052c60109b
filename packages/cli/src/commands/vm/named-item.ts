import { collect, type Page } from '../../list.ts';

/** The item of that name in a list, or null when it is gone already. */
export async function namedItem<T extends { readonly name: string }>(
  name: string | undefined,
  page: (query: { limit: number; after?: string }) => Promise<Page<T>>,
): Promise<T | null> {
  const { items } = await collect({}, page);
  return items.find((item) => item.name === name) ?? null;
}
