/** Disks that others wrote, unpacked from the folder beside the project. Tests that need them skip loudly without it. */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Disk } from '@corral/disk/disk';

const root = resolve(import.meta.dirname, '../..');
const shared = process.env['CORRAL_SHARED'] ?? resolve(root, '../shared');

/** Reason to skip, or false. */
export const samplesMissing: string | false = existsSync(join(shared, 'data'))
  ? false
  : `no sample disks at ${join(shared, 'data')}: set CORRAL_SHARED to the folder that holds data/`;

export interface SampleFolder extends AsyncDisposable {
  readonly path: string;
}

export async function temporaryFolder(): Promise<SampleFolder> {
  const path = await mkdtemp(join(tmpdir(), 'corral-vhdx-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Unpacks `folder/name` (.gz or .bz2) into `target` and returns the path of the disk. */
export async function unpack(sample: string, target: string): Promise<string> {
  const source = join(shared, 'data', sample);
  const path = join(target, basename(sample).replace(/\.(?:gz|bz2)$/, ''));
  await mkdir(target, { recursive: true });
  if (sample.endsWith('.gz')) {
    await pipeline(createReadStream(source), createGunzip(), createWriteStream(path));
  } else {
    const bunzip = spawn('bunzip2', ['-c', source], { stdio: ['ignore', 'pipe', 'inherit'] });
    await pipeline(bunzip.stdout, createWriteStream(path));
  }
  return path;
}

const pieceBytes = 4 * 2 ** 20;

/** SHA-256 of the disk as a guest sees it, `layers` from the child to its oldest parent. */
export async function hashOf(...layers: readonly Disk[]): Promise<string> {
  const hash = createHash('sha256');
  const { sizeBytes } = layers[0]!.info;
  const buffer = Buffer.alloc(pieceBytes);
  for (let at = 0; at < sizeBytes; at += pieceBytes) {
    const piece = buffer.subarray(0, Math.min(pieceBytes, sizeBytes - at));
    await readStacked(layers, piece, at);
    hash.update(piece);
  }
  return hash.digest('hex');
}

/** The simplest possible chain: what a layer has as a hole is asked of the next. */
export async function readStacked(
  layers: readonly Disk[],
  target: Uint8Array,
  offset: number,
): Promise<void> {
  const [layer, ...parents] = layers;
  if (!layer) {
    target.fill(0);
    return;
  }
  const length = Math.max(0, Math.min(target.length, layer.info.sizeBytes - offset));
  target.fill(0, length);
  if (length === 0) return;
  for await (const extent of layer.extents({ offset, length })) {
    const part = target.subarray(extent.offset - offset, extent.offset - offset + extent.length);
    if (extent.kind === 'data') await layer.read(part, extent.offset);
    else if (extent.kind === 'zero') part.fill(0);
    else await readStacked(parents, part, extent.offset);
  }
}
