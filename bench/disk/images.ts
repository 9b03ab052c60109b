/** One disk of mixed content in every format, written by qemu-img, so that both sides read the same files. */
import { Buffer } from 'node:buffer';
import { randomFillSync } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { DiskFormat } from '@corral/disk/disk';
import type { ConvertOptions } from '@corral/disk/verbs/convert-disk';
import { run } from './measure.ts';

export interface Source {
  readonly name: string;
  readonly path: string;
  readonly format: DiskFormat;
  /** The same in qemu-img's words. */
  readonly qemu: string;
  readonly sizeBytes: number;
  readonly dataBytes: number;
}

export interface Target {
  readonly name: string;
  readonly ours: Pick<ConvertOptions, 'format' | 'extendedL2'>;
  readonly qemu: readonly string[];
}

export const targets: readonly Target[] = [
  { name: 'raw', ours: { format: 'raw' }, qemu: ['-O', 'raw'] },
  { name: 'qcow2', ours: { format: 'qcow2' }, qemu: ['-O', 'qcow2'] },
  {
    name: 'qcow2 with subclusters',
    ours: { format: 'qcow2', extendedL2: true },
    qemu: ['-O', 'qcow2', '-o', 'extended_l2=on'],
  },
  { name: 'vhd', ours: { format: 'vhd' }, qemu: ['-O', 'vpc', '-o', 'force_size=on'] },
  { name: 'vhdx', ours: { format: 'vhdx' }, qemu: ['-O', 'vhdx'] },
];

const sources: readonly (Pick<Source, 'name' | 'format' | 'qemu'> & {
  readonly options: readonly string[];
})[] = [
  { name: 'raw', format: 'raw', qemu: 'raw', options: [] },
  { name: 'qcow2', format: 'qcow2', qemu: 'qcow2', options: [] },
  { name: 'qcow2 with subclusters', format: 'qcow2', qemu: 'qcow2', options: ['-o', 'extended_l2=on'] },
  { name: 'qcow2 zlib', format: 'qcow2', qemu: 'qcow2', options: ['-c'] },
  { name: 'qcow2 zstd', format: 'qcow2', qemu: 'qcow2', options: ['-c', '-o', 'compression_type=zstd'] },
  { name: 'vhd', format: 'vhd', qemu: 'vpc', options: ['-o', 'force_size=on'] },
  { name: 'vhdx', format: 'vhdx', qemu: 'vhdx', options: [] },
];

export async function makeSources(folder: string, sizeBytes: number): Promise<readonly Source[]> {
  const raw = join(folder, 'source.raw');
  const dataBytes = await writeMixed(raw, sizeBytes);
  const made: Source[] = [];
  for (const { name, format, qemu, options } of sources) {
    const path = name === 'raw' ? raw : join(folder, `source-${name.replaceAll(' ', '-')}`);
    if (path !== raw) await run('qemu-img', ['convert', '-f', 'raw', '-O', qemu, ...options, raw, path]);
    made.push({ name, path, format, qemu, sizeBytes, dataBytes });
  }
  return made;
}

/** Of each 8 MiB: 3 of noise, 2 of text-like bytes, 1 of both in 64 KiB pieces with zeros between, 2 of nothing. */
async function writeMixed(path: string, sizeBytes: number): Promise<number> {
  const MiB = 2 ** 20;
  await using file = await open(path, 'wx');
  await file.truncate(sizeBytes);
  const block = Buffer.alloc(6 * MiB);
  let written = 0;
  for (let at = 0; at + 8 * MiB <= sizeBytes; at += 8 * MiB) {
    randomFillSync(block, 0, 3 * MiB);
    for (let index = 3 * MiB; index < 5 * MiB; index += 64)
      block.write(`line ${at + index} of a log `, index);
    for (let index = 5 * MiB; index < 6 * MiB; index += 128 * 1024) randomFillSync(block, index, 64 * 1024);
    await file.write(block, 0, block.length, at);
    written += block.length;
  }
  return written;
}
