/** Differencing VHDX chains that Corral wrote, judged by a second reader that shares no code with it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import type { CreateOptions, Disk, ParentLink } from '@corral/disk/disk';
import { vhdxDriver } from '@corral/disk/vhdx/driver';
import { seededRandom } from './crash-file.ts';
import { SecondReader } from './second-reader.ts';
import { readStacked, samplesMissing, temporaryFolder, unpack } from './shared-samples.ts';

const MiB = 2 ** 20;

test('the second reader gives the hashes that others computed', { skip: samplesMissing }, async () => {
  const hashes = {
    fat: 'a538161f34bc44c12bf9a542ce9218741c62728723ea18d0e4f6ea92e9f32e93',
    ntfs: '1ef1fb5360247aa7d36a38415bc7bf6e1e52f62af5e6bd1283815e82584c7efc',
  };
  for (const [name, hash] of Object.entries(hashes)) {
    await using folder = await temporaryFolder();
    await unpack(`dfvfs/${name}-parent.vhdx.gz`, folder.path);
    const reader = new SecondReader(await unpack(`dfvfs/${name}-differential.vhdx.gz`, folder.path));
    assert.equal(createHash('sha256').update(reader.readAll()).digest('hex'), hash);
    reader.close();
  }
});

function linkTo(disk: Disk): ParentLink {
  return {
    format: 'vhdx',
    paths: [{ kind: 'relative', path: basename(disk.path) }],
    identity: disk.info.identity,
  };
}

/** Writes at any offset and length, reading the rest of a grain from the parents first, as a chain does. */
async function writeThrough(layers: readonly Disk[], bytes: Buffer, offset: number): Promise<void> {
  const [top] = layers;
  const grain = top!.info.grainBytes;
  const start = Math.floor(offset / grain) * grain;
  const end = Math.min(top!.info.sizeBytes, Math.ceil((offset + bytes.length) / grain) * grain);
  const whole = Buffer.alloc(end - start);
  await readStacked(layers, whole, start);
  bytes.copy(whole, offset - start);
  await top!.write(whole, start);
}

const cases: readonly (Partial<CreateOptions> & { readonly depth: number; readonly seed: number })[] = [
  { depth: 2, seed: 1, blockBytes: MiB },
  { depth: 5, seed: 2, blockBytes: 2 * MiB },
  { depth: 10, seed: 3, blockBytes: MiB, logicalSectorBytes: 4096 },
  { depth: 3, seed: 4, blockBytes: 32 * MiB },
];

for (const { depth, seed, ...options } of cases) {
  test(`a chain of ${depth} in blocks of ${options.blockBytes! / MiB} MiB reads the same (seed ${seed})`, async () => {
    await using folder = await temporaryFolder();
    await using stack = new AsyncDisposableStack();
    const random = seededRandom(seed);
    const sizeBytes = 5 * MiB + 4096 * 3;
    const expected = Buffer.alloc(sizeBytes);
    const layers: Disk[] = [];
    for (let level = 0; level < depth; level += 1) {
      const parent = layers[0];
      const path = join(folder.path, `${level}.vhdx`);
      const link = parent && { parent: linkTo(parent) };
      const variant = level === 0 && seed % 2 === 0 ? ({ variant: 'fixed' } as const) : {};
      const disk = await vhdxDriver.create(path, { sizeBytes, ...options, ...link, ...variant });
      stack.defer(() => disk.close());
      layers.unshift(disk);
      for (let step = 0; step < 12; step += 1) {
        const offset = Math.floor(random() * sizeBytes);
        const length = Math.min(
          sizeBytes - offset,
          1 + Math.floor(random() * (random() < 0.3 ? 2 * MiB : 9000)),
        );
        if (random() < 0.25) {
          const from = Math.ceil(offset / 4096) * 4096;
          const count = Math.min(sizeBytes - from, Math.ceil(length / 4096) * 4096);
          if (count > 0) await disk.zero(from, count);
          expected.fill(0, from, from + Math.max(0, count));
        } else {
          const bytes = Buffer.alloc(length, 1 + Math.floor(random() * 255));
          bytes.copy(expected, offset);
          await writeThrough(layers, bytes, offset);
        }
      }
      await disk.flush();
      const content = Buffer.alloc(sizeBytes);
      await readStacked(layers, content, 0);
      assert.ok(content.equals(expected), `level ${level} as Corral reads it`);
    }
    await stack.disposeAsync();
    const reader = new SecondReader(layers[0]!.path);
    assert.ok(reader.readAll().equals(expected), 'as the second reader reads it');
    reader.close();
    for (const layer of layers) {
      const report = await vhdxDriver.check(layer.path);
      assert.deepEqual(report.problems, []);
    }
    for (const layer of layers.slice(0, -1)) await vhdxDriver.compact(layer.path);
    const compacted = new SecondReader(layers[0]!.path);
    assert.ok(compacted.readAll().equals(expected), 'after compacting');
    compacted.close();
  });
}
