/** The formats that Corral knows, and how a file is recognised as one of them. */
import { Buffer } from 'node:buffer';
import type { Disk, DiskDriver, DiskFormat, OpenOptions, SignalOptions } from './disk.ts';
import { diskErrors } from './errors.ts';
import { DiskFile } from './file.ts';
import { namedFormat } from './format-names.ts';
import { otherFormatOf } from './other-formats.ts';
import { qcow2Driver } from './qcow2/driver.ts';
import { rawDriver } from './raw.ts';
import { vhdDriver } from './vhd/driver.ts';
import { vhdxDriver } from './vhdx/driver.ts';

/** In the order in which they are asked. Raw is last: it is what remains. */
export const diskDrivers: readonly DiskDriver[] = [qcow2Driver, vhdxDriver, vhdDriver, rawDriver];

const headerBytes = 2 ** 20;
const tailBytes = 4096;

export function driverOf(format: DiskFormat): DiskDriver {
  const driver = diskDrivers.find((candidate) => candidate.format === format);
  if (!driver) throw new Error(`no driver for ${format}`);
  return driver;
}

/** First and last bytes of a file, as far as it has them: what a format is recognised by. */
export async function readEnds(
  path: string,
  options?: SignalOptions,
): Promise<{ readonly header: Buffer; readonly tail: Buffer }> {
  await using file = await DiskFile.open(path, 'read');
  const header = Buffer.alloc(Math.min(headerBytes, file.length));
  const tail = Buffer.alloc(Math.min(tailBytes, file.length));
  await file.readExact(header, 0, 'first bytes', options);
  await file.readExact(tail, file.length - tail.length, 'last bytes', options);
  return { header, tail };
}

/**
 * The format that the content has. A guest can write whatever it likes into a raw disk: where a disk's format is known
 * (from a record, from a child's link), say it instead of asking.
 *
 * @throws disk.not-found; disk.io; disk.other-format for what is no disk that Corral reads, but no raw one either;
 * disk.unknown-format for what is none of a kind, but named as one
 */
export async function probeFormat(path: string, options?: SignalOptions): Promise<DiskFormat> {
  const { header, tail } = await readEnds(path, options);
  const other = otherFormatOf(header);
  if (other !== undefined) throw diskErrors['other-format']({ path, kind: other });
  const format = diskDrivers.find((driver) => driver.probe(header, tail))?.format ?? 'raw';
  const named = namedFormat(path);
  // A VHDX whose first bytes are lost would be read as a raw disk of rubbish.
  if (format === 'raw' && named !== undefined && named !== 'raw') {
    throw diskErrors['unknown-format']({ path, expected: `the ${named} disk that its name says` });
  }
  return format;
}

export interface OpenLayerOptions extends OpenOptions {
  /** Of the file; recognised from its content by default. */
  readonly format?: DiskFormat | undefined;
}

/** One file as a layer, without its parents. */
export async function openLayer(path: string, options: OpenLayerOptions): Promise<Disk> {
  const format = options.format ?? (await probeFormat(path, options));
  return await driverOf(format).open(path, options);
}
