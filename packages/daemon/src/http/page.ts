/** Pages of lists that are small enough to be in memory. The cursor is the key of the last item, opaque to callers. */
import { apiErrors } from '@corral/api/errors';

interface Page<T> {
  readonly items: T[];
  readonly next: string | null;
}

interface PageQuery {
  readonly limit: number;
  readonly after?: string | undefined;
}

/**
 * One page in the order of the keys, which must be unique. An item that was deleted meanwhile moves nothing.
 *
 * @throws api.invalid-request when `after` is no `next` of a page before
 */
export function paginate<T>(items: readonly T[], keyOf: (item: T) => string, query: PageQuery): Page<T> {
  const keyed = items.map((item) => ({ item, key: keyOf(item) })).sort((a, b) => (a.key < b.key ? -1 : 1));
  const cursor = query.after === undefined ? null : decodeCursor(query.after);
  const rest = cursor === null ? keyed : keyed.filter(({ key }) => key > cursor);
  const page = rest.slice(0, query.limit);
  const next = rest.length > page.length ? encodeCursor(page.at(-1)!.key) : null;
  return { items: page.map(({ item }) => item), next };
}

/** The key of what has a name: by name, and by id among those of one name. */
export function byName(item: { readonly name: string; readonly id: string }): string {
  return `${item.name}\0${item.id}`;
}

function encodeCursor(key: string): string {
  return Buffer.from(key).toString('base64url');
}

function decodeCursor(text: string): string {
  const key = Buffer.from(text, 'base64url').toString();
  if (key !== '' && encodeCursor(key) === text) return key;
  throw apiErrors['invalid-request']({ issues: [`query.after: "${text}" is no "next" of a list`] });
}
