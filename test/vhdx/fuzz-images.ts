/** Damaged images for the fuzzers: sound small ones with bytes changed, cut or repeated. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CreateOptions } from '@corral/disk/disk';
import { vhdDriver } from '@corral/disk/vhd/driver';
import { vhdxDriver } from '@corral/disk/vhdx/driver';
import { type Content, CrashFile, loadContent, type Random } from './crash-file.ts';
import { temporaryFolder } from './shared-samples.ts';

const MiB = 2 ** 20;

const parents = {
  vhd: {
    format: 'vhd',
    paths: [{ kind: 'relative', path: 'p.vhd' }],
    identity: { dataWriteId: '21111111-2222-4333-8444-555555555555' },
  },
  vhdx: {
    format: 'vhdx',
    paths: [{ kind: 'relative', path: 'p.vhdx' }],
    identity: {
      id: '11111111-2222-4333-8444-555555555555',
      dataWriteId: '21111111-2222-4333-8444-555555555555',
    },
  },
} as const;

const shapes: readonly { readonly format: 'vhd' | 'vhdx'; readonly options: CreateOptions }[] = [
  { format: 'vhdx', options: { sizeBytes: 3 * MiB, blockBytes: MiB } },
  { format: 'vhdx', options: { sizeBytes: 3 * MiB, blockBytes: MiB, parent: parents.vhdx } },
  { format: 'vhdx', options: { sizeBytes: 2 * MiB, blockBytes: MiB, variant: 'fixed' } },
  { format: 'vhd', options: { sizeBytes: MiB, blockBytes: MiB / 4 } },
  { format: 'vhd', options: { sizeBytes: MiB, blockBytes: MiB / 4, parent: parents.vhd } },
  { format: 'vhd', options: { sizeBytes: MiB, variant: 'fixed' } },
];

export interface Seed {
  readonly format: 'vhd' | 'vhdx';
  readonly content: Content;
}

/** Sound images, VHDX ones also with a log to replay. */
export async function seedImages(): Promise<readonly Seed[]> {
  const seeds: Seed[] = [];
  for (const { format, options } of shapes) {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'disk');
    const driver = format === 'vhd' ? vhdDriver : vhdxDriver;
    const disk = await driver.create(path, options);
    await disk.write(Buffer.alloc(5000, 3), 70_000);
    await disk.zero(300_000, 400_000);
    await disk.flush();
    if (format === 'vhdx') seeds.push({ format, content: await loadContent(await readFile(path)) });
    await disk.close();
    seeds.push({ format, content: await loadContent(await readFile(path)) });
  }
  return seeds;
}

/** Offsets where the structures are: most damage goes there, since random places hit data. */
const hotSpots: Readonly<
  Record<Seed['format'], readonly { readonly at: number; readonly length: number }[]>
> = {
  vhdx: [
    { at: 64 * 1024, length: 80 },
    { at: 128 * 1024, length: 80 },
    { at: 192 * 1024, length: 80 },
    { at: MiB, length: 12_288 },
    { at: 2 * MiB, length: 256 },
    { at: 2 * MiB + 65_536, length: 700 },
    { at: 3 * MiB, length: 32 },
  ],
  vhd: [
    { at: 0, length: 90 },
    { at: 512, length: 800 },
    { at: 1536, length: 200 },
  ],
};

const interesting = [0, 1, 0x7f, 0x80, 0xff] as const;

/** Damages an image in 1 to 6 places; `fixChecksums` gets its chance to make the damage believable. */
export function damage(seed: Seed, random: Random): CrashFile {
  const content = seed.content.copy();
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  for (let count = 1 + Math.floor(random() * 6); count > 0; count -= 1) {
    const spot = random() < 0.9 ? pick(hotSpots[seed.format]) : { at: 0, length: content.length };
    const fromEnd = seed.format === 'vhd' && random() < 0.3;
    const at = fromEnd
      ? content.length - 512 + Math.floor(random() * 90)
      : spot.at + Math.floor(random() * spot.length);
    const length = pick([1, 1, 2, 4, 8, 16]);
    const bytes = Buffer.from(
      Array.from({ length }, () => (random() < 0.5 ? pick(interesting) : random() * 256)),
    );
    if (at >= 0 && at + length <= content.length) content.write(bytes, at);
  }
  if (random() < 0.1) content.setLength(Math.floor(random() * content.length));
  return new CrashFile(content);
}
