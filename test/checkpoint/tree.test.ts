/**
 * A tree of 50 checkpoints, up to 10 deep, of which 20 are deleted in a random order: the content is right at every
 * node that is left, and at the present. The VM is off; its disk is written and read by packages/disk.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import { type DiskSettings, VmSettings } from '@corral/api/schemas/vm-settings';
import type { ChainLayer } from '@corral/disk/chain';
import { ChainDisk } from '@corral/disk/chain-disk';
import { openLayer } from '@corral/disk/drivers';
import { chainOf } from '@corral/host/chain/chain';
import { CheckpointFile } from '@corral/host/checkpoint/checkpoint-files';
import { qemuImg } from '../disk/qemu-img.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const seed = Number(process.env['CORRAL_TEST_SEED'] ?? 20261121);
const checkpointCount = 50;
const deletedCount = 20;
const deepest = 10;
const blockBytes = 65_536;
const blockCount = 64;

/** What each block holds, by its number; a block that is missing is zero. */
type Content = ReadonlyMap<number, number>;

interface Node {
  readonly name: string;
  readonly parent: Node | null;
  readonly depth: number;
  readonly content: Content;
}

/** Mulberry32: the same numbers for the same seed. */
function randomOf(start: number): (below: number) => number {
  let state = start >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

describe(`a tree of ${checkpointCount} checkpoints (seed ${seed})`, () => {
  it(`has the right content at every node when ${deletedCount} were deleted`, {
    timeout: 900_000,
  }, async () => {
    await using host = await TestHost.start();
    const { client, data } = host;
    await succeeded(
      client,
      client.vm.create({ name: 'a', disks: [{ name: 'data', sizeBytes: blockCount * blockBytes }] }),
    );
    const folder = join(data, 'vms', (await client.vm.show('a')).id);
    const random = randomOf(seed);
    const { nodes, present } = await grow(client, folder, random);
    assert.equal(Math.max(...nodes.map(({ depth }) => depth)), deepest);

    const left = [...nodes];
    for (let count = 0; count < deletedCount; count += 1) {
      const [gone] = left.splice(random(left.length), 1);
      await succeeded(client, client.checkpoint.delete('a', gone!.name));
    }
    const files = await merged(client, folder);
    await assertContent(folder, presentDisk(folder), present, 'the present');
    const { items } = await client.checkpoint.list('a');
    assert.deepEqual(items.map(({ name }) => name).sort(), left.map(({ name }) => name).sort());
    for (const { id, name } of items) {
      const node = left.find((each) => each.name === name)!;
      await assertContent(folder, checkpointDisk(folder, id), node.content, name);
    }
    for (const file of files) await assertCleanLayer(join(folder, 'disks', file));
  });
});

/** From time to time it goes back to a node that is not too deep, so branches grow. */
async function grow(
  client: Client,
  folder: string,
  random: (below: number) => number,
): Promise<{ nodes: Node[]; present: Content }> {
  const nodes: Node[] = [];
  let at: Node | null = null;
  let content: Content = new Map();
  for (let number = 1; number <= checkpointCount; number += 1) {
    // The first ten stand on each other; after that one in three begins a branch.
    const full: boolean = at?.depth === deepest;
    if (full || (number > deepest && random(3) === 0)) {
      const candidates: Node[] = nodes.filter(({ depth }) => depth < deepest);
      at = candidates[random(candidates.length)]!;
      content = at.content;
      await succeeded(client, client.checkpoint.apply('a', at.name, { present: 'discard' }));
    }
    content = await write(folder, content, number, random);
    const name = `c${number}`;
    await succeeded(client, client.checkpoint.create('a', { name }));
    const node: Node = { name, parent: at, depth: (at?.depth ?? 0) + 1, content };
    nodes.push(node);
    at = node;
  }
  return { nodes, present: await write(folder, content, checkpointCount + 1, random) };
}

/** Some blocks of the layer that is written to get the number of the step. */
async function write(
  folder: string,
  before: Content,
  value: number,
  random: (below: number) => number,
): Promise<Content> {
  const after = new Map(before);
  const { path, format } = presentDisk(folder);
  const layer = await openLayer(join(folder, path), { format, readOnly: false });
  try {
    for (let count = 1 + random(6); count > 0; count -= 1) {
      const block = random(blockCount);
      await layer.write(Buffer.alloc(blockBytes, value), block * blockBytes);
      after.set(block, value);
    }
    await layer.flush();
  } finally {
    await layer.close();
  }
  return after;
}

function presentDisk(folder: string): DiskSettings {
  return VmSettings.parse(JSON.parse(readFileSync(join(folder, 'vm.json'), 'utf8'))).disks[0]!;
}

function checkpointDisk(folder: string, id: string): DiskSettings {
  const file = readFileSync(join(folder, 'checkpoints', id, 'checkpoint.json'), 'utf8');
  return CheckpointFile.parse(JSON.parse(file)).checkpoint.settings.disks[0]!;
}

async function assertContent(
  folder: string,
  disk: DiskSettings,
  content: Content,
  what: string,
): Promise<void> {
  const layers: ChainLayer[] = [];
  for (const { path, format } of chainOf(disk)) {
    const file = join(folder, path);
    layers.push({ path: file, disk: await openLayer(file, { format, readOnly: true }) });
  }
  const chain = new ChainDisk(layers);
  try {
    const found = Buffer.alloc(blockBytes);
    for (let block = 0; block < blockCount; block += 1) {
      await chain.read(found, block * blockBytes);
      const wanted = Buffer.alloc(blockBytes, content.get(block) ?? 0);
      assert.ok(found.equals(wanted), `${what}: block ${block} holds ${found[0]}, not ${wanted[0]}`);
    }
  } finally {
    await chain.close();
  }
}

/** By itself: what lies below it, the records say, and a header may still name what was merged since. */
async function assertCleanLayer(filename: string): Promise<void> {
  const layer = { driver: 'qcow2', backing: null, file: { driver: 'file', filename } };
  await qemuImg('check', '-q', `json:${JSON.stringify(layer)}`);
}

/** Waits until every layer that nobody needs is merged. @returns the files of the layers that are left */
function merged(client: Client, folder: string): Promise<string[]> {
  return eventually(
    'what nobody needs is merged',
    async () => {
      const merges = (await client.operation.list({})).items.filter(({ finishedAt }) => finishedAt === null);
      const { items } = await client.checkpoint.list('a');
      const held = [presentDisk(folder), ...items.map(({ id }) => checkpointDisk(folder, id))];
      const paths = new Set(
        held.flatMap((disk) => chainOf(disk)).map(({ path }) => path.replace('disks/', '')),
      );
      const there = readdirSync(join(folder, 'disks'));
      return { busy: merges.length > 0, there, held: [...paths] };
    },
    ({ busy, held, there }) =>
      !busy && there.length === held.length && there.every((file) => held.includes(file)),
    300_000,
  ).then(({ there }) => there);
}
