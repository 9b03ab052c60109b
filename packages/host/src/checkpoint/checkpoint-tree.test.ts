import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  findCheckpoint,
  freeName,
  requireFreeName,
  standsOn,
  subtreeOf,
  withoutCheckpoints,
} from './checkpoint-tree.ts';

interface Node {
  readonly id: string;
  readonly name: string;
  readonly parentId: string | null;
}

const node = (id: string, parentId: string | null): Node => ({ id, name: id, parentId });
const tree = [node('a', null), node('b', 'a'), node('c', 'b'), node('d', 'b'), node('e', null)];

test('a subtree is the checkpoint and all above it', () => {
  assert.deepEqual(
    subtreeOf(tree, 'b').map(({ id }) => id),
    ['b', 'c', 'd'],
  );
  assert.deepEqual(
    subtreeOf(tree, 'e').map(({ id }) => id),
    ['e'],
  );
});

test('children of one that goes stand on what it stood on', () => {
  const left = withoutCheckpoints(tree, new Set(['a', 'b']));
  assert.deepEqual(left, [node('c', null), node('d', null), node('e', null)]);
  assert.equal(standsOn(tree, 'b', new Set(['b'])), 'a');
  assert.equal(standsOn(tree, null, new Set(['b'])), null);
});

test('names are unique in a VM, and one that is missing is said to be', () => {
  assert.throws(() => requireFreeName(tree, 'web1', 'a'), { code: 'checkpoint.name-taken' });
  requireFreeName(tree, 'web1', 'a', 'a');
  assert.throws(() => findCheckpoint(tree, 'web1', 'x'), { code: 'checkpoint.not-found' });
});

test('one without a name gets the time, and a number if two are taken within a second', () => {
  const now = '2026-01-02T03:04:05.678Z';
  const first = freeName([], now);
  assert.equal(first, '2026-01-02T03.04.05Z');
  const taken = { ...node('x', null), name: first };
  assert.equal(freeName([taken], now), `${first}-2`);
});

/** Parents come before their children. */
const trees = fc
  .array(fc.nat(), { minLength: 1, maxLength: 30 })
  .map((choices) =>
    choices.map((choice, index) =>
      node(`n${index}`, index === 0 || choice % 4 === 0 ? null : `n${choice % index}`),
    ),
  );

test('whatever goes, everybody left stands on the nearest below that is left', () => {
  const ancestors = (nodes: readonly Node[], id: string | null): string[] => {
    const found = nodes.find((each) => each.id === id);
    return found ? [found.id, ...ancestors(nodes, found.parentId)] : [];
  };
  fc.assert(
    fc.property(trees, fc.infiniteStream(fc.boolean()), (nodes, coins) => {
      const gone = new Set(nodes.filter(() => coins.next().value).map(({ id }) => id));
      const left = withoutCheckpoints(nodes, gone);
      for (const { id } of left) {
        const before = ancestors(nodes, id).filter((each) => !gone.has(each));
        assert.deepEqual(ancestors(left, id), before);
      }
    }),
  );
});
