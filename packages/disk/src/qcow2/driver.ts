/** qcow2 in the registry of formats. */
import { Buffer } from 'node:buffer';
import type {
  CheckOptions,
  CheckReport,
  CompactReport,
  CreateOptions,
  Disk,
  DiskDriver,
  OpenOptions,
  ProgressOptions,
  ResizeOptions,
} from '../disk.ts';
import { diskErrors } from '../errors.ts';
import { type BlockFile, DiskFile } from '../file.ts';
import { readBitmapDirectory } from './bitmap-directory.ts';
import { checkFile } from './check.ts';
import { compactFile } from './compact.ts';
import { formatQcow2, planQcow2 } from './create.ts';
import { magic } from './header.ts';
import { Qcow2Image } from './image.ts';
import { Qcow2Disk } from './qcow2-disk.ts';
import { resizeFile } from './resize.ts';

function probe(header: Uint8Array): boolean {
  return header.length >= 8 && Buffer.from(header.buffer, header.byteOffset, 4).readUInt32BE(0) === magic;
}

/** Takes over the file: it is closed with the disk, and if opening fails. */
export async function openQcow2File(file: BlockFile, options: OpenOptions): Promise<Disk> {
  try {
    const image = await Qcow2Image.load(file, { writable: !options.readOnly, signal: options.signal });
    const bitmaps = await readBitmapDirectory(file, image.header, options);
    return new Qcow2Disk(image, bitmaps, options.readOnly);
  } catch (cause) {
    await file.close();
    throw cause;
  }
}

/** Takes over the empty file. */
export async function createQcow2File(file: BlockFile, options: CreateOptions): Promise<Disk> {
  try {
    return new Qcow2Disk(await formatQcow2(file, options), undefined, false);
  } catch (cause) {
    await file.close();
    throw cause;
  }
}

async function open(path: string, options: OpenOptions): Promise<Disk> {
  options.signal?.throwIfAborted();
  return await openQcow2File(await DiskFile.open(path, options.readOnly ? 'read' : 'write'), options);
}

async function create(path: string, options: CreateOptions): Promise<Disk> {
  planQcow2(options);
  options.signal?.throwIfAborted();
  return await createQcow2File(await DiskFile.open(path, 'create'), options);
}

async function check(path: string, options: CheckOptions = {}): Promise<CheckReport> {
  await using file = await DiskFile.open(path, options.repair ? 'write' : 'read');
  return await checkFile(file, options);
}

async function resize(path: string, sizeBytes: number, options: ResizeOptions = {}): Promise<void> {
  await using file = await DiskFile.open(path, 'write');
  await resizeFile(file, sizeBytes, options);
}

async function compact(path: string, options: ProgressOptions = {}): Promise<CompactReport> {
  await using file = await DiskFile.open(path, 'write');
  const fileBytesBefore = file.length;
  const occupiedBytesBefore = await file.occupiedBytes();
  const report = await checkFile(file, { signal: options.signal, repair: true });
  if (!report.ok) {
    const worst = report.problems.find(({ kind, repaired }) => kind === 'corruption' && !repaired);
    throw diskErrors.corrupt({ path, what: worst?.message ?? 'it did not pass its check' });
  }
  await compactFile(file, options);
  return {
    fileBytesBefore,
    fileBytesAfter: file.length,
    occupiedBytesBefore,
    occupiedBytesAfter: await file.occupiedBytes(),
  };
}

export const qcow2Driver: DiskDriver = {
  format: 'qcow2',
  probe,
  open,
  plan: planQcow2,
  create,
  check,
  resize,
  compact,
};
