import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { paginate } from './page.ts';

const identity = (text: string): string => text;

test('the pages together are the list in order, whatever the page size', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ minLength: 1, unit: 'grapheme' }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 12 }),
      (items, limit) => {
        const seen: string[] = [];
        let after: string | undefined;
        do {
          const page = paginate(items, identity, { limit, after });
          assert.ok(page.items.length <= limit);
          seen.push(...page.items);
          after = page.next ?? undefined;
        } while (after !== undefined);
        assert.deepEqual(
          seen,
          items.toSorted((a, b) => (a < b ? -1 : 1)),
        );
      },
    ),
  );
});

test('an item that is deleted between two pages moves none of the others', () => {
  const first = paginate(['a', 'b', 'c', 'd'], identity, { limit: 2 });
  const second = paginate(['a', 'c', 'd'], identity, { limit: 2, after: first.next! });
  assert.deepEqual(second, { items: ['c', 'd'], next: null });
});

test('a cursor that no page gave is refused', () => {
  for (const after of ['', '!!!', 'YQ==']) {
    assert.throws(() => paginate(['a'], identity, { limit: 1, after }), { code: 'api.invalid-request' });
  }
});
