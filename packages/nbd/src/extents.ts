/** Runs of a disk with equal flags. Pure. What the flags mean depends on the context (docs/formats/nbd.md). */

export interface Extent {
  readonly offset: number;
  /** At least 1. */
  readonly length: number;
  readonly flags: number;
}

/** Joins neighbours with equal flags; extents must come in order. */
export async function* joinExtents(
  extents: AsyncIterable<Extent> | Iterable<Extent>,
): AsyncGenerator<Extent, void, undefined> {
  let last: Extent | undefined;
  for await (const extent of extents) {
    if (last && last.flags === extent.flags && last.offset + last.length === extent.offset) {
      last = { offset: last.offset, length: last.length + extent.length, flags: last.flags };
    } else {
      if (last) yield last;
      last = extent;
    }
  }
  if (last) yield last;
}

export interface JointExtent {
  readonly offset: number;
  readonly length: number;
  /** One for each of the lists, in their order. */
  readonly flags: readonly number[];
}

/**
 * Goes through several contexts of the same range at once: what each says of the longest runs on which none changes.
 * Each list must be in order and without gaps; the shortest one ends the walk.
 */
export async function* alignExtents(
  ...lists: readonly (AsyncIterable<Extent> | Iterable<Extent>)[]
): AsyncGenerator<JointExtent, void, undefined> {
  if (lists.length === 0) return;
  const iterators = lists.map(iteratorOf);
  try {
    const heads: Extent[] = [];
    for (const iterator of iterators) {
      const { done, value } = await iterator.next();
      if (done) return;
      heads.push(value);
    }
    let offset = heads[0]?.offset ?? 0;
    for (;;) {
      const end = Math.min(...heads.map((head) => head.offset + head.length));
      yield { offset, length: end - offset, flags: heads.map((head) => head.flags) };
      offset = end;
      for (const [index, head] of heads.entries()) {
        if (head.offset + head.length > end) continue;
        const { done, value } = await iterators[index]!.next();
        if (done) return;
        heads[index] = value;
      }
    }
  } finally {
    for (const iterator of iterators) await iterator.return?.();
  }
}

type AnyIterator = AsyncIterator<Extent, unknown> | Iterator<Extent, unknown>;

function iteratorOf(list: AsyncIterable<Extent> | Iterable<Extent>): AnyIterator {
  return Symbol.asyncIterator in list ? list[Symbol.asyncIterator]() : list[Symbol.iterator]();
}
