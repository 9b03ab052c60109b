/**
 * The first look at an image from elsewhere, before any other program sees it (docs/architecture.md, invariant 5):
 * what it is, and whether it stands alone.
 */
import { stat } from 'node:fs/promises';
import { formatSize } from '@corral/core/units';
import type { DiskFormat, DiskInfo, SignalOptions } from './disk.ts';
import { diskDrivers, driverOf, readEnds } from './drivers.ts';
import { diskErrors } from './errors.ts';

export interface ForeignOptions extends SignalOptions {
  /** Insist on it. Without it the content decides, and what only looks raw is refused. */
  readonly format?: DiskFormat | undefined;
  /** 64 TiB by default. */
  readonly maxBytes?: number | undefined;
}

export interface ForeignImage {
  readonly info: DiskInfo;
  /** Guest-visible bytes that the file holds as data. */
  readonly allocatedBytes: number;
}

const defaultMaxBytes = 2 ** 46;

/** Formats that Corral does not read; taken as raw they would be a disk of rubbish. */
const otherFormats: readonly { readonly name: string; readonly magic: string; readonly at: number }[] = [
  { name: 'VMDK', magic: 'KDMV', at: 0 },
  { name: 'VMDK', magic: 'COWD', at: 0 },
  { name: 'VMDK', magic: '# Disk DescriptorFile', at: 0 },
  { name: 'QED', magic: 'QED\0', at: 0 },
  { name: 'VDI', magic: '\x7f\x10\xda\xbe', at: 64 },
  { name: 'Parallels', magic: 'WithoutFreeSpace', at: 0 },
  { name: 'Parallels', magic: 'WithouFreSpacExt', at: 0 },
  { name: 'qcow (version 1)', magic: 'QFI\xfb\0\0\0\x01', at: 0 },
  { name: 'gzip', magic: '\x1f\x8b\x08', at: 0 },
  { name: 'xz', magic: '\xfd7zXZ\0', at: 0 },
  { name: 'zstd', magic: '\x28\xb5\x2f\xfd', at: 0 },
  { name: 'bzip2', magic: 'BZh', at: 0 },
  { name: 'zip', magic: 'PK\x03\x04', at: 0 },
];

/**
 * Opens the image read-only, checks its structure and refuses what would make it depend on, or reveal, anything else.
 *
 * @throws disk.foreign-refused; disk.unsupported-feature; disk.corrupt; disk.truncated; disk.unknown-format
 */
export async function inspectForeign(path: string, options: ForeignOptions = {}): Promise<ForeignImage> {
  const refuse = (reason: string, fix: string): Error => diskErrors['foreign-refused']({ path, reason, fix });
  const { header, tail } = await readEnds(path, options);
  if (!(await stat(path)).isFile()) throw refuse('it is not a file', 'Copy it into a file first.');
  const other = otherFormats.find(
    ({ magic, at }) => header.toString('latin1', at, at + magic.length) === magic,
  );
  if (other && options.format === undefined) {
    throw refuse(
      `it is a file of the kind ${other.name}`,
      'Unpack it, or convert it with "qemu-img convert" first.',
    );
  }
  const probed = diskDrivers.find((driver) => driver.probe(header, tail))?.format ?? 'raw';
  const format = options.format ?? probed;
  const driver = driverOf(format);
  await using disk = await driver.open(path, { readOnly: true, signal: options.signal });
  const { info } = disk;
  if (info.parent) {
    const parent = info.parent.paths[0]?.path ?? '';
    throw refuse(`it rests on another file ("${parent}")`, 'Convert it together with its parents first.');
  }
  const maxBytes = options.maxBytes ?? defaultMaxBytes;
  if (info.sizeBytes === 0) throw refuse('its disk has no bytes', 'Check that it was copied whole.');
  if (info.sizeBytes > maxBytes) {
    throw refuse(
      `its disk has ${formatSize(info.sizeBytes)}, more than ${formatSize(maxBytes)}`,
      'Shrink it first.',
    );
  }
  const report = await driver.check(path, options);
  const worst = report.problems.find(({ kind }) => kind === 'corruption');
  if (worst) throw refuse(`it is damaged: ${worst.message}`, 'Copy it again from where it came.');
  return { info, allocatedBytes: report.allocatedBytes };
}
