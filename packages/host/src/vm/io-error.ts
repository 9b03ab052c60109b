/** Why QEMU stopped a guest on an I/O error (`werror=stop`, `rerror=stop`). */
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import type { QmpClient } from '@corral/qmp/qmp-client';
import type { QmpEventNamed } from '@corral/qmp/qmp-events';
import { layerNode } from './qemu-devices.ts';

export interface IoError {
  readonly disk: string;
  /** For want of space: it can go on by itself when there is some. */
  readonly full: boolean;
  readonly reason: string;
}

export function ioErrorOfEvent(data: QmpEventNamed<'BLOCK_IO_ERROR'>['data'], vm: VmSettings): IoError {
  const disk = vm.disks.find(({ path }) => layerNode(path) === data['node-name']);
  return ioError(disk?.name ?? data.device, data.nospace ?? false, data.reason);
}

/** After an adoption the event is gone; the device still tells what kind of error it was. */
export async function findIoError(qmp: QmpClient): Promise<IoError | null> {
  for (const device of await qmp.execute('query-block')) {
    const status = device['io-status'];
    if (status === undefined || status === 'ok') continue;
    return ioError(diskOfDevice(device.qdev ?? device.device), status === 'nospace', null);
  }
  return null;
}

/** The name of the disk that has this device: `disk-NAME`, or `/machine/peripheral/disk-NAME/virtio-backend`. */
export function diskOfDevice(qdev: string): string {
  return /(?:^|\/)disk-([^/]+)/.exec(qdev)?.[1] ?? qdev;
}

function ioError(disk: string, full: boolean, detail: string | null): IoError {
  const what = full ? `the volume of disk "${disk}" is full` : `disk "${disk}" reported an I/O error`;
  return { disk, full, reason: detail === null || full ? what : `${what}: ${detail}` };
}
