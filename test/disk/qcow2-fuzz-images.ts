/** Sound qcow2 files of many kinds, and believable damage to their tables. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CreateOptions } from '@corral/disk/disk';
import { createQcow2File } from '@corral/disk/qcow2/driver';
import { Content, CrashFile, loadContent, type Random } from '../vhdx/crash-file.ts';
import { qemuImg, qemuIo, withFolder } from './qemu-img.ts';

const KiB = 1024;

export interface Seed {
  readonly content: Content;
  readonly clusterBytes: number;
  /** Where tables lie: most damage goes there. */
  readonly tables: readonly Spot[];
}

interface Spot {
  readonly at: number;
  readonly length: number;
}

const parent: NonNullable<CreateOptions['parent']> = {
  format: 'raw',
  paths: [{ kind: 'relative', path: 'parent.raw' }],
};

const shapes: readonly CreateOptions[] = [
  { sizeBytes: 500 * KiB, blockBytes: 4 * KiB },
  { sizeBytes: 100 * KiB, blockBytes: 512 },
  { sizeBytes: 500 * KiB, blockBytes: 16 * KiB, extendedL2: true },
  { sizeBytes: 500 * KiB, blockBytes: 4 * KiB, parent },
  { sizeBytes: 1000 * KiB, extendedL2: true, parent },
];

/** With internal snapshots, compressed clusters and a bitmap, which only QEMU writes. */
const qemuShapes: readonly string[] = [
  'cluster_size=4096',
  'cluster_size=4096,compat=0.10',
  'cluster_size=16384,extended_l2=on',
  'cluster_size=4096,compression_type=zstd',
  'cluster_size=4096,refcount_bits=8',
];

export async function seedImages(): Promise<readonly Seed[]> {
  const seeds: Seed[] = [];
  for (const options of shapes) {
    const file = new CrashFile(new Content());
    const disk = await createQcow2File(file, options);
    await disk.write(Buffer.alloc(5000, 3), 70_000);
    await disk.zero(80_000, 10_000);
    await disk.write(Buffer.alloc(40_000, 4), 20_000);
    await disk.close();
    seeds.push(describe(file.content));
  }
  for (const options of qemuShapes) seeds.push(await qemuSeed(options));
  return seeds;
}

async function qemuSeed(options: string): Promise<Seed> {
  let seed: Seed | undefined;
  await withFolder(async (folder) => {
    const [raw, path] = [join(folder, 'raw'), join(folder, 'disk')];
    await qemuImg('create', '-q', '-f', 'raw', raw, '512K');
    await qemuIo('raw', raw, 'write -P 5 100K 200K');
    await qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', options, raw, path);
    await qemuIo('qcow2', path, 'write -P 6 50K 100K');
    await qemuImg('snapshot', '-c', 'one', path);
    if (!options.includes('0.10')) await qemuImg('bitmap', '--add', '-f', 'qcow2', path, 'map');
    await qemuIo('qcow2', path, 'write -P 7 60K 30K');
    seed = describe(await loadContent(await readFile(path)));
  });
  return seed!;
}

/** Finds the tables the way a reader does; the files are sound. */
function describe(content: Content): Seed {
  const number = (at: number, bytes: 4 | 8): number => {
    const field = Buffer.alloc(bytes);
    content.read(field, at);
    return bytes === 4 ? field.readUInt32BE(0) : Number(field.readBigUInt64BE(0) & 0x00ff_ffff_ffff_fe00n);
  };
  const clusterBytes = 2 ** number(20, 4);
  const l1 = { at: number(40, 8), length: number(36, 4) * 8 };
  const counts = { at: number(48, 8), length: 16 };
  const tables: Spot[] = [{ at: 0, length: 112 }, { at: 112, length: 300 }, l1, counts];
  tables.push({ at: number(counts.at, 8), length: Math.min(clusterBytes, 200) });
  if (number(60, 4) > 0) tables.push({ at: number(64, 8), length: 80 });
  for (let at = l1.at; at < l1.at + l1.length; at += 8) {
    const table = number(at, 8);
    if (table !== 0) tables.push({ at: table, length: Math.min(clusterBytes, 2048) });
  }
  return { content, clusterBytes, tables };
}

/** Damages an image in 1 to 5 places. */
export function damage(seed: Seed, random: Random): CrashFile {
  const content = seed.content.copy();
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  for (let count = 1 + Math.floor(random() * 5); count > 0; count -= 1) {
    const spot = random() < 0.95 ? pick(seed.tables) : { at: 0, length: content.length };
    const at = spot.at + Math.floor(random() * spot.length);
    const bytes = random() < 0.6 ? entry(seed, random) : noise(random);
    const place = bytes.length === 8 ? at - (at % 8) : at;
    content.write(bytes.subarray(0, Math.max(0, content.length - place)), place);
  }
  if (random() < 0.1) content.setLength(Math.floor(random() * content.length));
  return new CrashFile(content);
}

/** What a table's entry could be: another place in the file, with flags that may or may not fit. */
function entry(seed: Seed, random: Random): Buffer {
  const clusters = seed.content.length / seed.clusterBytes + 2;
  let value = BigInt(Math.floor(random() * clusters) * seed.clusterBytes);
  for (const flag of [63n, 62n, 0n, 9n, 55n]) if (random() < 0.2) value |= 1n << flag;
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

function noise(random: Random): Buffer {
  const length = [1, 1, 2, 4, 8, 16][Math.floor(random() * 6)]!;
  return Buffer.from(
    Array.from({ length }, () => (random() < 0.5 ? 0xff * Math.round(random()) : random() * 256)),
  );
}
