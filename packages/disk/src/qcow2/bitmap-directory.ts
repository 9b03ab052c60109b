/**
 * Persistent dirty bitmaps ("Bitmaps"): named in `inspect`, counted by `check`. Their content is never used: a bitmap
 * does not survive a crash.
 */
import { Buffer } from 'node:buffer';
import type { SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import { autoclear, extensionType, type Header, hasFeature } from './header.ts';
import { maxBitmapDirectoryBytes, maxBitmaps, maxBitmapTableBytes } from './limits.ts';

export interface PersistentBitmap {
  readonly name: string;
  readonly granularityBytes: number;
  /** Left open by a crash: QEMU lets it only be deleted. */
  readonly inUse: boolean;
  readonly enabled: boolean;
  readonly tableOffset: number;
  readonly tableEntries: number;
}

export interface BitmapDirectory {
  readonly offset: number;
  readonly bytes: number;
  readonly bitmaps: readonly PersistentBitmap[];
}

/**
 * undefined if there are none, or if a program that keeps no bitmaps wrote to the disk since: then nothing of the
 * extension is to be believed.
 *
 * @throws disk.corrupt; disk.truncated
 */
export async function readBitmapDirectory(
  file: BlockFile,
  header: Header,
  options?: SignalOptions,
): Promise<BitmapDirectory | undefined> {
  const extension = header.extensions.find(({ type }) => type === extensionType.bitmaps)?.data;
  if (!extension || !hasFeature(header.autoclearFeatures, autoclear.bitmaps)) return undefined;
  const fail = (what: string): never => {
    throw diskErrors.corrupt({ path: file.path, what: `its bitmap directory ${what}` });
  };
  if (extension.length < 24) fail('is cut short');
  const count = extension.readUInt32BE(0);
  const bytes = Number(extension.readBigUInt64BE(8));
  const offset = Number(extension.readBigUInt64BE(16));
  if (count > maxBitmaps || bytes > maxBitmapDirectoryBytes || offset % 2 ** header.clusterBits !== 0) {
    fail('has absurd bounds');
  }
  // Before the memory is taken: the file must be that long.
  if (offset + bytes > file.length) fail('lies behind the end of the file');
  const directory = Buffer.alloc(bytes);
  await file.readExact(directory, offset, 'bitmap directory', options);
  const bitmaps: PersistentBitmap[] = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    if (at + 24 > bytes) fail('is too short for its bitmaps');
    const { bitmap, length } = decodeBitmap(directory, at);
    if (
      at + length > bytes ||
      bitmap.tableEntries * 8 > maxBitmapTableBytes ||
      bitmap.granularityBytes > 2 ** 31
    ) {
      fail('has a bitmap with absurd bounds');
    }
    bitmaps.push(bitmap);
    at += length;
  }
  return { offset, bytes, bitmaps };
}

function decodeBitmap(directory: Buffer, at: number): { bitmap: PersistentBitmap; length: number } {
  const flags = directory.readUInt32BE(at + 12);
  const nameBytes = directory.readUInt16BE(at + 18);
  const extraBytes = directory.readUInt32BE(at + 20);
  const nameAt = at + 24 + extraBytes;
  return {
    bitmap: {
      tableOffset: Number(directory.readBigUInt64BE(at)),
      tableEntries: directory.readUInt32BE(at + 8),
      inUse: (flags & 1) !== 0,
      enabled: (flags & 2) !== 0,
      granularityBytes: 2 ** directory[at + 17]!,
      name: directory.subarray(nameAt, nameAt + nameBytes).toString('utf8'),
    },
    length: Math.ceil((24 + extraBytes + nameBytes) / 8) * 8,
  };
}
