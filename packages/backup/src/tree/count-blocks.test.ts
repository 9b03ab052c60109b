import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deriveKeys } from '../crypto/keys.ts';
import { fanOut } from '../format/config.ts';
import { nodeBytes } from '../pack/blob.ts';
import { CachedNodes } from './cached-nodes.ts';
import { countBlocks } from './count-blocks.ts';
import { maxHeight, treeHeight, zeroId } from './geometry.ts';
import { MemoryNodes } from './memory-nodes.ts';
import { type Tree, walkBlocks } from './tree-walk.ts';
import { TreeWriter } from './tree-writer.ts';

const keys = deriveKeys(Buffer.alloc(16), null);

/** 2^47 blocks, all of them one and the same. */
async function bomb(nodes: MemoryNodes): Promise<Tree> {
  let root: Buffer = Buffer.alloc(32, 7);
  for (let level = 0; level < maxHeight; level += 1) {
    const node = Buffer.alloc(nodeBytes);
    node[0] = level;
    for (let slot = 0; slot < fanOut; slot += 1) root.copy(node, 1 + slot * root.length);
    root = await nodes.putNode(node);
  }
  return { root, height: maxHeight, blocks: 2 ** 47 };
}

test('as many as a walk finds', async () => {
  const runs = fc.array(fc.tuple(fc.nat(9000), fc.integer({ min: 1, max: 700 })), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 9000 }), runs, async (blocks, ranges) => {
      const nodes = new MemoryNodes(keys);
      const height = treeHeight(blocks);
      const writer = new TreeWriter(nodes, nodes, height);
      for (const [from, length] of ranges) {
        const id = Buffer.alloc(32, 1 + (from % 3));
        for (let block = from; block < Math.min(from + length, blocks); block += 1)
          await writer.set(block, id);
      }
      const tree = { root: await writer.commit(), height, blocks };
      let walked = 0;
      for await (const _ of walkBlocks(nodes, tree)) walked += 1;
      assert.equal(await countBlocks(nodes, tree), walked);
    }),
    { numRuns: 30 },
  );
});

test('a disk of zeros has none', async () => {
  assert.equal(await countBlocks(new MemoryNodes(keys), { root: zeroId, height: 2, blocks: 100 }), 0);
});

test('a few nodes that describe more blocks than could ever be walked are counted at once', async () => {
  const nodes = new MemoryNodes(keys);
  const tree = await bomb(nodes);
  assert.equal(await countBlocks(nodes, tree), tree.blocks);
  assert.ok(nodes.reads < maxHeight * fanOut, `${nodes.reads} reads`);
});

test('a walk that never ends lets others work, and is ended', async () => {
  const nodes = new MemoryNodes(keys);
  const tree = await bomb(nodes);
  const stop = new AbortController();
  setImmediate(() => stop.abort());
  const walking = (async () => {
    for await (const _ of walkBlocks(new CachedNodes(nodes), tree, 0, tree.blocks, stop.signal));
  })();
  await assert.rejects(walking, { name: 'AbortError' });
});
