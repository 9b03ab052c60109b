/**
 * The devices of a VM as QEMU wants them, for the command line and for hot-plugging alike: a disk that was added
 * to a running VM is, at the next start, the same device at the same address.
 *
 * Properties: QEMU's documentation, "Device Emulation", and `qemu-system-x86_64 -device NAME,help`.
 */
import { createHash } from 'node:crypto';
import type { DiskLayer, DiskSettings, PortSettings } from '@corral/api/schemas/vm-settings';
import type { LayerFile } from '../chain/layer-file.ts';

/** As JSON for `-device` and `device_add`. */
export type DeviceOptions = Readonly<Record<string, string | number | boolean>> & { readonly driver: string };

/** As JSON for `-blockdev` and `blockdev-add`. */
export type BlockdevOptions = {
  readonly [key: string]: string | number | boolean | BlockdevOptions | null;
};

export interface NetdevOptions {
  readonly type: 'user' | 'tap';
  readonly id: string;
  readonly ifname?: string;
}

export const rootPortId = (slot: number): string => `slot${slot}`;
/**
 * Block nodes are named after the file of a layer, not after the disk: a checkpoint puts a new layer on top of a disk
 * whose device stays. Node names are at most 31 characters; this one is the same in every run.
 */
export function layerNode(path: string): string {
  return `layer-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`;
}
/** The node of the file below a layer's format. */
export const layerFileNode = (path: string): string => layerNode(path).replace('layer', 'file');
/** The root of a merge of this layer: see chain/commit-job.ts. */
export const mergeRootNode = (path: string): string => layerNode(path).replace('layer', 'merge');
export const diskDevice = (name: string): string => `disk-${name}`;
export const portDevice = (name: string): string => `port-${name}`;
export const portNetdev = (name: string): string => `net-${name}`;

/** The file below a disk's format. Writes that fail for want of space pause the guest: see `diskDeviceOptions`. */
export function diskFileOptions(disk: DiskSettings, file: LayerFile): BlockdevOptions {
  return {
    driver: disk.passThrough ? 'host_device' : 'file',
    'node-name': layerFileNode(disk.path),
    filename: file.path,
    cache: { direct: file.direct },
    // Image locking is the second proof of "one writer" (invariant 1); 'auto' would go without where it fails.
    locking: disk.passThrough ? 'auto' : 'on',
    // io_uring is refused by sandboxed kernels; threads work everywhere.
    aio: 'threads',
    discard: 'unmap',
  };
}

/** `backing` is always given: without it QEMU would follow whatever the header names (invariant 5). */
export function diskFormatOptions(disk: DiskSettings): BlockdevOptions {
  return {
    driver: disk.format,
    'node-name': layerNode(disk.path),
    file: layerFileNode(disk.path),
    discard: 'unmap',
    'detect-zeroes': 'unmap',
    ...backingOption(disk, parentBelow(disk, 0)),
  };
}

/** The layers below a disk, the lowest first, as QEMU has to open them. @param files of `disk.parents` */
export function parentBlockdevs(disk: DiskSettings, files: readonly LayerFile[]): BlockdevOptions[] {
  return disk.parents
    .map((layer, index) => ({
      driver: layer.format,
      'node-name': layerNode(layer.path),
      'read-only': true,
      file: sealedFileOptions(layer, files[index]!),
      ...backingOption(layer, parentBelow(disk, index + 1)),
    }))
    .reverse();
}

/** What lies below the format of a sealed layer: its file, or the process that serves a backup. */
export function sealedFileOptions(layer: DiskLayer, file: LayerFile): BlockdevOptions {
  const name = { 'node-name': layerFileNode(layer.path) };
  if (layer.point) {
    return {
      driver: 'nbd',
      ...name,
      server: { type: 'unix', path: file.path },
      export: layer.point.disk,
      'read-only': true,
      // Requests wait while the process is started again (QEMU's documentation, "blockdev", nbd).
      'reconnect-delay': reconnectSeconds,
    };
  }
  return {
    driver: 'file',
    ...name,
    filename: file.path,
    cache: { direct: file.direct },
    // Opened for writing only while a merge writes to it (QEMU's documentation, "blockdev", auto-read-only).
    'auto-read-only': true,
    locking: layer.shared ? 'auto' : 'on',
    aio: 'threads',
    discard: 'unmap',
  };
}

/** A daemon that is away for longer leaves a guest that waits for it in an I/O error, which pauses it. */
const reconnectSeconds = 3600;

function backingOption(
  layer: { readonly format: DiskLayer['format'] },
  backing: string | null,
): BlockdevOptions {
  return layer.format === 'qcow2' ? { backing } : {};
}

function parentBelow(disk: DiskSettings, index: number): string | null {
  const parent = disk.parents[index];
  return parent ? layerNode(parent.path) : null;
}

/**
 * `werror=stop, rerror=stop`: an I/O error or a full volume stops the guest instead of reaching it, so it can go on
 * when the cause is gone (QEMU's documentation, "blockdev", and event BLOCK_IO_ERROR).
 */
export function diskDeviceOptions(
  disk: DiskSettings,
  sataPort: number | null,
  bootIndex: number | null,
): DeviceOptions {
  const common = {
    id: diskDevice(disk.name),
    drive: layerNode(disk.path),
    serial: disk.name,
    werror: 'stop',
    rerror: 'stop',
    'write-cache': 'on',
    ...(bootIndex === null ? {} : { bootindex: bootIndex }),
  };
  return disk.bus === 'virtio'
    ? { driver: 'virtio-blk-pci', ...common, bus: rootPortId(disk.slot ?? 0) }
    : { driver: 'ide-hd', ...common, bus: `ide.${sataPort}` };
}

export function netdevOptions(port: PortSettings, tap: string | null): NetdevOptions {
  const id = portNetdev(port.name);
  return tap === null ? { type: 'user', id } : { type: 'tap', id, ifname: tap };
}

export function portDeviceOptions(port: PortSettings, bootIndex: number | null): DeviceOptions {
  return {
    driver: port.model === 'virtio' ? 'virtio-net-pci' : 'e1000e',
    id: portDevice(port.name),
    netdev: portNetdev(port.name),
    mac: port.mac,
    bus: rootPortId(port.slot),
    // Without a ROM the firmware offers no network boot from it and starts sooner.
    ...(bootIndex === null ? { romfile: '' } : { bootindex: bootIndex }),
  };
}

/** The SATA port of each SATA disk: in the order of the settings, after the two that CDs have. */
export function sataPorts(disks: readonly DiskSettings[]): Map<string, number> {
  const sata = disks.filter((disk) => disk.bus === 'sata');
  return new Map(sata.map((disk, index) => [disk.name, firstSataDiskPort + index]));
}

/** ICH9's controller has six ports; 0 and 1 are kept for the ISO and the seed. */
export const firstSataDiskPort = 2;
export const sataDiskCount = 4;
