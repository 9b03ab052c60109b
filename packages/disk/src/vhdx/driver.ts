/** VHDX, fixed, dynamic and differencing (AVHDX). docs/formats/vhdx.md */
import { unlink } from 'node:fs/promises';
import type { CreateOptions, Disk, DiskDriver, OpenOptions } from '../disk.ts';
import { DiskFile } from '../file.ts';
import { checkVhdx } from './check.ts';
import { compactVhdx } from './compact.ts';
import { createVhdxFile, planVhdx } from './create.ts';
import { isIdentifier } from './header.ts';
import { VhdxImage } from './image.ts';
import { resizeVhdx } from './resize.ts';
import { VhdxDisk } from './vhdx-disk.ts';

/**
 * Opened for writing, a log that was left behind is replayed into the file; read-only, into memory.
 *
 * @throws disk.unknown-format; disk.corrupt; disk.truncated; disk.unsupported-feature; disk.io
 */
async function open(path: string, options: OpenOptions): Promise<Disk> {
  options.signal?.throwIfAborted();
  const file = await DiskFile.open(path, options.readOnly ? 'read' : 'write');
  try {
    const image = await VhdxImage.open(file, { replayIntoFile: !options.readOnly, signal: options.signal });
    return new VhdxDisk(image, options.readOnly);
  } catch (cause) {
    await file.close();
    throw cause;
  }
}

async function create(path: string, options: CreateOptions): Promise<Disk> {
  const file = await createVhdxFile(path, options);
  try {
    const image = await VhdxImage.open(file, { replayIntoFile: true, signal: options.signal });
    return new VhdxDisk(image, false, options.scratch ?? false);
  } catch (cause) {
    await file.close();
    await unlink(path);
    throw cause;
  }
}

export const vhdxDriver: DiskDriver = {
  format: 'vhdx',
  probe: (header) => isIdentifier(header),
  open,
  plan: planVhdx,
  create,
  check: checkVhdx,
  resize: resizeVhdx,
  compact: compactVhdx,
};
