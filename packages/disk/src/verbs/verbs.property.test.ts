/** What every verb must keep, over random chains of all formats. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { openChain } from '../chain.ts';
import { diskFormats } from '../disk.ts';
import { withFolder } from '../disk-conformance.ts';
import { type BuiltChain, buildChain, type ChainSpec, chainSpec } from '../random-chain.ts';
import { checkDisk } from './check-disk.ts';
import { convertDisk } from './convert-disk.ts';
import { diffDisks } from './diff-disks.ts';
import { hashDisk } from './hash-disk.ts';
import { inspectDisk } from './inspect-disk.ts';
import { mapDisk } from './map-disk.ts';
import { mergeDisk } from './merge-disk.ts';

/** `CORRAL_TEST_SCALE=50` for a long search. */
const scale = Number(process.env['CORRAL_TEST_SCALE'] ?? 1);

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function overChains(
  runs: number,
  maxDepth: number,
  work: (chain: BuiltChain, spec: ChainSpec, folder: string) => Promise<void>,
): Promise<void> {
  const property = fc.asyncProperty(chainSpec(maxDepth), (spec) =>
    withFolder(async (folder) => {
      await work(await buildChain(folder, spec), spec, folder);
    }),
  );
  await fc.assert(property, { numRuns: runs * scale });
}

/** The topmost file's own format: a raw base written by a guest could look like anything. */
function source(spec: ChainSpec) {
  return { format: spec.layers.at(-1)!.format };
}

test('hash, inspect, check and map see the chain as it was written', () =>
  overChains(12, 10, async ({ top, content, paths }, spec) => {
    const report = await hashDisk(top, source(spec));
    assert.equal(report.sha256, sha256(content));
    assert.equal(report.sizeBytes, content.length);
    const { layers, problem } = await inspectDisk(top, source(spec));
    assert.equal(problem, undefined);
    assert.deepEqual(
      layers.map(({ path }) => path),
      paths.toReversed(),
    );
    const checked = await checkDisk(top, source(spec));
    assert.deepEqual([checked.ok, checked.chainProblem], [true, undefined]);
    let at = 0;
    for await (const { offset, length, kind } of mapDisk(top, source(spec))) {
      assert.equal(offset, at);
      if (kind !== 'data') assert.ok(content.subarray(at, at + length).every((byte) => byte === 0));
      at += length;
    }
    assert.equal(at, content.length);
  }));

test('convert keeps the content, from every chain into every format and back', () =>
  overChains(6, 4, async ({ top, content }, spec, folder) => {
    for (const format of diskFormats) {
      const there = join(folder, `there.${format}`);
      const back = join(folder, `back-${format}.raw`);
      await convertDisk(top, there, { source: source(spec), format });
      assert.equal((await hashDisk(there, { format })).sha256, sha256(content), `into ${format}`);
      assert.equal((await checkDisk(there, { format })).ok, true);
      await convertDisk(there, back, { source: { format }, format: 'raw' });
      assert.equal((await hashDisk(back, { format: 'raw' })).sha256, sha256(content), `back from ${format}`);
    }
  }));

test('merge keeps the content down to the last file', () =>
  overChains(8, 5, async ({ paths, content }, spec) => {
    for (let index = paths.length - 1; index > 0; index -= 1) {
      await mergeDisk(paths[index]!, { format: spec.layers[index]!.format });
      const { format } = spec.layers[index - 1]!;
      assert.equal((await hashDisk(paths[index - 1]!, { format })).sha256, sha256(content));
      assert.equal((await checkDisk(paths[index - 1]!, { format })).ok, true);
    }
  }));

test('diff finds exactly the sectors that differ', () =>
  overChains(8, 3, async ({ top, content, paths }, spec) => {
    const { format } = spec.layers[0]!;
    await using base = await openChain(paths[0]!, { readOnly: true, format });
    const below = Buffer.alloc(content.length);
    await base.read(below, 0);
    const found = new Set<number>();
    const options = { first: { format }, second: source(spec) };
    for await (const { offset, length } of diffDisks(paths[0]!, top, options)) {
      for (let at = offset; at < offset + length; at += 512) found.add(at);
    }
    for (let at = 0; at < content.length; at += 512) {
      const same = content.subarray(at, at + 512).equals(below.subarray(at, at + 512));
      assert.equal(found.has(at), !same, `sector at ${at}`);
    }
  }));
