/** What an open qcow2 file is, in the library's words. */
import type { DetailValue, DiskFormat, DiskInfo, ParentLink } from '../disk.ts';
import type { BitmapDirectory } from './bitmap-directory.ts';
import { compatible, extensionType, type Header, hasFeature, incompatible } from './header.ts';
import type { Qcow2Image } from './image.ts';
import { sectorBytes } from './limits.ts';

/** Names that QEMU writes as the backing file's format. */
const backingFormats: Readonly<Record<string, DiskFormat>> = {
  raw: 'raw',
  qcow2: 'qcow2',
  vpc: 'vhd',
  vhdx: 'vhdx',
};

export function qemuFormatName(format: DiskFormat): string {
  return format === 'vhd' ? 'vpc' : format;
}

export function backingFormatName(header: Header): string | undefined {
  return header.extensions.find(({ type }) => type === extensionType.backingFormat)?.data.toString('latin1');
}

export function parentLink(header: Header): ParentLink | undefined {
  const { backingName } = header;
  if (backingName === undefined) return undefined;
  const format = backingFormats[backingFormatName(header) ?? ''];
  return {
    ...(format ? { format } : {}),
    paths: [{ kind: backingName.startsWith('/') ? 'absolute' : 'relative', path: backingName }],
  };
}

export function describe(image: Qcow2Image, bitmaps: BitmapDirectory | undefined): DiskInfo {
  const { header, geometry, file } = image;
  const parent = parentLink(header);
  return {
    format: 'qcow2',
    variant: parent ? 'differencing' : 'dynamic',
    sizeBytes: image.sizeBytes,
    fileBytes: file.length,
    blockBytes: geometry.clusterBytes,
    grainBytes: geometry.grainBytes,
    logicalSectorBytes: sectorBytes,
    physicalSectorBytes: sectorBytes,
    identity: {},
    ...(parent ? { parent } : {}),
    dirty: hasFeature(header.incompatibleFeatures, incompatible.dirty),
    details: details(image, bitmaps),
  };
}

function details(image: Qcow2Image, bitmaps: BitmapDirectory | undefined): Record<string, DetailValue> {
  const { header, geometry } = image;
  return {
    version: header.version,
    extendedL2: geometry.extendedL2,
    compression: header.compression,
    refcountBits: header.refcountBits,
    lazyRefcounts: hasFeature(header.compatibleFeatures, compatible.lazyRefcounts),
    corrupt: hasFeature(header.incompatibleFeatures, incompatible.corrupt),
    ...(header.backingName === undefined
      ? {}
      : { backingFile: header.backingName, backingFormat: backingFormatName(header) ?? null }),
    snapshots: image.snapshots.snapshots.map((snapshot) => ({
      id: snapshot.id,
      name: snapshot.name,
      createdAt: snapshot.createdAt.toISOString(),
      vmStateBytes: snapshot.vmStateBytes,
      sizeBytes: snapshot.sizeBytes ?? null,
    })),
    bitmaps: (bitmaps?.bitmaps ?? []).map((bitmap) => ({
      name: bitmap.name,
      granularityBytes: bitmap.granularityBytes,
      inUse: bitmap.inUse,
      enabled: bitmap.enabled,
    })),
  };
}
