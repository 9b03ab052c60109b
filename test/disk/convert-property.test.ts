/**
 * Content survives every way from every format into every format: random writes, block sizes, sector sizes, chains of
 * up to ten files. `CORRAL_TEST_SCALE=50` searches for long; a failure prints its seed.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import test from 'node:test';
import type { DiskFormat } from '@corral/disk/disk';
import { withFolder } from '@corral/disk/disk-conformance';
import { buildChain, chainSpec } from '@corral/disk/random-chain';
import { checkDisk } from '@corral/disk/verbs/check-disk';
import { type ConvertOptions, convertDisk } from '@corral/disk/verbs/convert-disk';
import { hashDisk } from '@corral/disk/verbs/hash-disk';
import fc from 'fast-check';

const MiB = 2 ** 20;
const runs = 40 * Number(process.env['CORRAL_TEST_SCALE'] ?? 1);

type TargetOptions = Omit<ConvertOptions, 'format' | 'source'>;

/** Every layout that a format can have, in small. */
const targets: readonly { readonly format: DiskFormat; readonly options: TargetOptions }[] = [
  { format: 'raw', options: {} },
  { format: 'raw', options: { variant: 'fixed' } },
  ...[512, 4096, 65_536, 2 * MiB].map((blockBytes) => ({
    format: 'qcow2' as const,
    options: { blockBytes },
  })),
  ...[16_384, 65_536, MiB].map((blockBytes) => ({
    format: 'qcow2' as const,
    options: { blockBytes, extendedL2: true },
  })),
  { format: 'vhd', options: {} },
  { format: 'vhd', options: { blockBytes: 512 * 1024 } },
  { format: 'vhd', options: { variant: 'fixed' } },
  ...[512, 4096].flatMap((logicalSectorBytes) =>
    [MiB, 2 * MiB, 32 * MiB].map((blockBytes) => ({
      format: 'vhdx' as const,
      options: { logicalSectorBytes, blockBytes },
    })),
  ),
  { format: 'vhdx', options: { variant: 'fixed', logicalSectorBytes: 4096 } },
];

/** The disks that one content becomes, one after the other. */
const journey = fc.array(fc.nat({ max: targets.length - 1 }), { minLength: 1, maxLength: 4 });

test(`content keeps its hash over ${runs} chains and what they become`, async () => {
  const property = fc.asyncProperty(chainSpec(10), journey, (spec, stops) =>
    withFolder(async (folder) => {
      const { top, content } = await buildChain(folder, spec);
      const expected = createHash('sha256').update(content).digest('hex');
      let at = { path: top, format: spec.layers.at(-1)!.format };
      for (const [index, stop] of stops.entries()) {
        const { format, options } = targets[stop]!;
        const path = join(folder, `stop-${index}`);
        await convertDisk(at.path, path, { ...options, format, source: { format: at.format } });
        const report = await checkDisk(path, { format });
        assert.deepEqual([report.ok, report.problems], [true, []], `${format} ${JSON.stringify(options)}`);
        assert.equal(
          (await hashDisk(path, { format })).sha256,
          expected,
          `into ${JSON.stringify(targets[stop])}`,
        );
        at = { path, format };
      }
    }),
  );
  await fc.assert(property, { numRuns: runs });
});
