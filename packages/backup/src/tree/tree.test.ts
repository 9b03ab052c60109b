import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deriveKeys } from '../crypto/keys.ts';
import { treeHeight, zeroId } from './geometry.ts';
import { MemoryNodes } from './memory-nodes.ts';
import { walkBlocks, walkDifferences } from './tree-walk.ts';
import { TreeWriter } from './tree-writer.ts';

const keys = deriveKeys(Buffer.alloc(16), null);

function idOf(value: number): Buffer {
  return value === 0 ? zeroId : Buffer.alloc(32, value);
}

const blocks = 9000;
const operation = fc.oneof(
  fc.record({ block: fc.integer({ min: 0, max: blocks - 1 }), value: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ from: fc.integer({ min: 0, max: blocks }), to: fc.integer({ min: 0, max: blocks }) }),
  fc.constant('commit' as const),
);

test('a tree behaves as a list of ids, and depends on nothing but its content', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (operations) => {
      const nodes = new MemoryNodes(keys);
      const height = treeHeight(blocks);
      const tree = new TreeWriter(nodes, nodes, height);
      const model = new Map<number, number>();
      for (const step of operations) {
        if (step === 'commit') await tree.commit();
        else if ('block' in step) {
          await tree.set(step.block, idOf(step.value));
          model.set(step.block, step.value);
        } else {
          await tree.clear(step.from, step.to);
          for (const block of model.keys()) if (block >= step.from && block < step.to) model.set(block, 0);
        }
      }
      for (const [block, value] of model) assert.ok((await tree.get(block)).equals(idOf(value)));
      const root = Buffer.from(await tree.commit());
      const expected = [...model].filter(([, value]) => value !== 0).sort(([a], [b]) => a - b);
      const found = await Array.fromAsync(walkBlocks(nodes, { root, height, blocks }));
      assert.deepEqual(
        found.map(({ block, id }) => [block, id[0]]),
        expected,
      );
      const again = new TreeWriter(new MemoryNodes(keys), nodes, height);
      for (const [block, value] of expected) await again.set(block, idOf(value));
      assert.ok((await again.commit()).equals(root));
    }),
    { numRuns: 60 },
  );
});

test('a change touches the nodes on its path, and no others', async () => {
  const nodes = new MemoryNodes(keys);
  const height = treeHeight(64 ** 4);
  const first = new TreeWriter(nodes, nodes, height);
  for (let block = 0; block < 64 ** 2; block += 1) await first.set(block * 64, idOf(1));
  const before = Buffer.from(await first.commit());
  nodes.writes = 0;
  nodes.reads = 0;
  const second = new TreeWriter(nodes, nodes, height, before);
  await second.set(128, idOf(2));
  const after = Buffer.from(await second.commit());
  assert.deepEqual([nodes.reads, nodes.writes], [height, height]);
  const shape = { height, blocks: 64 ** 4 };
  const changed = await Array.fromAsync(
    walkDifferences(nodes, { root: before, ...shape }, { root: after, ...shape }),
  );
  assert.deepEqual(
    changed.map(({ block }) => block),
    [128],
  );
});

test('a node on the wrong level is refused', async () => {
  const nodes = new MemoryNodes(keys);
  const small = new TreeWriter(nodes, nodes, 1);
  await small.set(0, idOf(1));
  const root = Buffer.from(await small.commit());
  const walk = Array.fromAsync(walkBlocks(nodes, { root, height: 2, blocks: 4096 }));
  await assert.rejects(walk, { code: 'repository.object-damaged' });
});
