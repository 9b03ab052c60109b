/** VHD, fixed, dynamic and differencing. docs/formats/vhd.md */
import { Buffer } from 'node:buffer';
import { unlink } from 'node:fs/promises';
import type { CreateOptions, Disk, DiskDriver, OpenOptions } from '../disk.ts';
import { type BlockFile, DiskFile } from '../file.ts';
import { BlockMap } from './block-map.ts';
import { checkVhd } from './check.ts';
import { compactVhd } from './compact.ts';
import { createVhdFile, planVhd } from './create.ts';
import { footerBytes, hasCookie } from './footer.ts';
import { resizeVhd } from './resize.ts';
import { readVhdStructure } from './structure.ts';
import { DynamicVhd, FixedVhd } from './vhd-disk.ts';

/** @throws disk.unknown-format; disk.corrupt; disk.truncated; disk.unsupported-feature; disk.io */
async function open(path: string, options: OpenOptions): Promise<Disk> {
  options.signal?.throwIfAborted();
  const file = await DiskFile.open(path, options.readOnly ? 'read' : 'write');
  try {
    return await openVhd(file, options);
  } catch (cause) {
    await file.close();
    throw cause;
  }
}

interface OpenVhdOptions extends OpenOptions {
  /** See `CreateOptions.scratch`. */
  readonly scratch?: boolean | undefined;
}

export async function openVhd(file: BlockFile, options: OpenVhdOptions): Promise<Disk> {
  const structure = await readVhdStructure(file, options);
  const { dynamic } = structure;
  if (!dynamic) return new FixedVhd(file, structure, options);
  return new DynamicVhd(new BlockMap(file, structure, dynamic), structure, options);
}

async function create(path: string, options: CreateOptions): Promise<Disk> {
  const file = await createVhdFile(path, options);
  try {
    return await openVhd(file, { readOnly: false, signal: options.signal, scratch: options.scratch });
  } catch (cause) {
    await file.close();
    await unlink(path);
    throw cause;
  }
}

/** A fixed disk shows itself only by its end; its first sector is its guest's. */
function probe(header: Uint8Array, tail: Uint8Array): boolean {
  const end = Buffer.from(tail.subarray(Math.max(0, tail.length - footerBytes)));
  return hasCookie(end) || hasCookie(Buffer.from(header.subarray(0, footerBytes)));
}

export const vhdDriver: DiskDriver = {
  format: 'vhd',
  probe,
  open,
  plan: planVhd,
  create,
  check: checkVhd,
  resize: resizeVhd,
  compact: compactVhd,
};
