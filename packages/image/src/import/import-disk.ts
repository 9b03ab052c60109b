/**
 * Takes a disk file from elsewhere into an image's folder. Foreign bytes meet only our own parsers (docs/architecture.md,
 * invariant 5): what has a structure is read by them and written anew, so that no byte of foreign metadata reaches
 * QEMU; what is raw has none, and is copied as it is.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { DiskFormat } from '@corral/disk/disk';
import { inspectForeign, openForeign } from '@corral/disk/inspect-foreign';
import { convertChain } from '@corral/disk/verbs/convert-disk';
import { type CopyWay, copyDiskFile } from '../copy/copy-disk-file.ts';
import type { LongWork } from '../progress.ts';

export interface ImportDiskOptions extends LongWork {
  readonly path: string;
  /** What the file is; without, its header says. */
  readonly format?: DiskFormat | undefined;
  /** An existing folder; `disk.qcow2` or `disk.raw` is written there. */
  readonly target: string;
}

export interface ImportedDisk {
  /** Of the new file. */
  readonly format: 'qcow2' | 'raw';
  /** As a guest sees the disk. */
  readonly sizeBytes: number;
  /** Of the new file. */
  readonly sha256: string;
  /** How the data came here. */
  readonly way: CopyWay | 'converted';
}

const sectorBytes = 512;

/** Reads the foreign structure, and that of the parents it proves, and writes our own. */
async function rewrite(options: ImportDiskOptions, format: DiskFormat, target: string): Promise<void> {
  const { path, signal, progress } = options;
  // Looked at again on the handles that are read: the file may be another since it was checked.
  await using source = await openForeign(path, { format, provedParents: true, signal });
  await convertChain(source, target, {
    format: 'qcow2',
    signal,
    onProgress: (at) => progress?.({ step: `reading ${path}`, ...at }),
  });
}

async function copyRaw(options: ImportDiskOptions, target: string): Promise<CopyWay> {
  const { path, signal, progress } = options;
  const { way, sizeBytes } = await copyDiskFile(path, target, { signal, progress });
  await chmod(target, 0o600);
  if (sizeBytes % sectorBytes !== 0) await truncate(target, Math.ceil(sizeBytes / sectorBytes) * sectorBytes);
  return way;
}

async function hashFile(path: string, { signal, progress }: LongWork): Promise<string> {
  const hash = createHash('sha256');
  const { size } = await stat(path);
  let doneBytes = 0;
  const counted = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of source) {
      doneBytes += piece.length;
      progress?.({ step: 'computing its hash', doneBytes, totalBytes: size });
      yield piece;
    }
  };
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), counted, hash, signal ? { signal } : {});
  return hash.digest('hex');
}

/**
 * @throws disk.foreign-refused and what else `inspectForeign` refuses; disk.no-space
 */
export async function importDisk(options: ImportDiskOptions): Promise<ImportedDisk> {
  const { path, signal } = options;
  const { info } = await inspectForeign(path, { format: options.format, provedParents: true, signal });
  const format = info.format === 'raw' ? 'raw' : 'qcow2';
  const target = join(options.target, `disk.${format}`);
  let way: ImportedDisk['way'] = 'converted';
  if (format === 'raw') way = await copyRaw(options, target);
  else await rewrite(options, info.format, target);
  const sizeBytes =
    format === 'raw' ? (await stat(target)).size : Math.ceil(info.sizeBytes / sectorBytes) * sectorBytes;
  return { format, sizeBytes, sha256: await hashFile(target, options), way };
}
