/** `create`: a new disk, blank or on top of a parent. */

import { realpath } from 'node:fs/promises';
import { basename, dirname, relative, resolve } from 'node:path';
import { openChain } from '../chain.ts';
import type {
  CreateOptions,
  Disk,
  DiskFormat,
  DiskInfo,
  DiskVariant,
  ParentLink,
  SignalOptions,
} from '../disk.ts';
import { driverOf } from '../drivers.ts';
import { diskErrors } from '../errors.ts';
import { writeOutput } from '../output-file.ts';
import { assertFits } from '../volume-limits.ts';

export interface CreateDiskOptions extends SignalOptions {
  readonly format: DiskFormat;
  /** Of the new disk; with a parent, the parent's by default. */
  readonly sizeBytes?: number | undefined;
  readonly variant?: DiskVariant | undefined;
  readonly blockBytes?: number | undefined;
  readonly logicalSectorBytes?: number | undefined;
  readonly physicalSectorBytes?: number | undefined;
  readonly extendedL2?: boolean | undefined;
  /** Path of the parent. Its whole chain is opened and verified. */
  readonly parent?: string | undefined;
  readonly parentFormat?: DiskFormat | undefined;
  /** Folders in which the parent's own parents may lie. */
  readonly allowedFolders?: readonly string[] | undefined;
}

/** Nothing is left behind if it fails. @throws disk.exists, and what plan and file system refuse */
export async function createDisk(path: string, options: CreateDiskOptions): Promise<DiskInfo> {
  const parent = options.parent === undefined ? undefined : await openParent(options.parent, options);
  await using _ = parent;
  const sizeBytes = options.sizeBytes ?? parent?.info.sizeBytes;
  if (sizeBytes === undefined) {
    throw diskErrors['unsupported-option']({
      format: options.format,
      what: 'a new disk needs a size',
      fix: 'Name its size, or a parent whose size it takes.',
    });
  }
  const wanted: CreateOptions = {
    ...options,
    sizeBytes,
    parent: parent && (await linkTo(parent, path)),
    // A VHDX child keeps the identity of the disk through its chain.
    ...(parent?.info.identity.id === undefined ? {} : { identity: { id: parent.info.identity.id } }),
    logicalSectorBytes: options.logicalSectorBytes ?? parentSector(options.format, parent),
  };
  const driver = driverOf(options.format);
  const { emptyFileBytes } = driver.plan(wanted);
  return await writeOutput(path, async (temporary) => {
    const occupiedBytes = wanted.variant === 'fixed' ? emptyFileBytes : 0;
    await assertFits(path, temporary, { fileBytes: emptyFileBytes, occupiedBytes });
    const disk = await driver.create(temporary, { ...wanted, scratch: true });
    await disk.close();
    await using reopened = await driver.open(temporary, { readOnly: true, signal: options.signal });
    return reopened.info;
  });
}

function openParent(path: string, options: CreateDiskOptions) {
  const { parentFormat: format, allowedFolders, signal } = options;
  return openChain(path, { readOnly: true, format, allowedFolders, signal });
}

/** Only formats that record a sector size must keep their parent's. */
function parentSector(format: DiskFormat, parent: Disk | undefined): number | undefined {
  return format === 'vhdx' ? parent?.info.logicalSectorBytes : undefined;
}

/** How `child` is to name its parent: relative first, so that the pair can be moved. */
export async function linkTo(parent: Disk, child: string): Promise<ParentLink> {
  const absolute = await realpath(parent.path);
  const folder = await realpath(dirname(resolve(child)));
  if (absolute === resolve(folder, basename(child))) {
    throw diskErrors['parent-cycle']({ path: child, chain: [absolute] });
  }
  const { format, identity } = parent.info;
  return {
    format,
    identity,
    paths: [
      { kind: 'relative', path: relative(folder, absolute) },
      { kind: 'absolute', path: absolute },
    ],
  };
}
