/** Why QEMU stopped a guest on an I/O error (`werror=stop`, `rerror=stop`). */
import type { QmpClient } from '@corral/qmp/qmp-client';
import type { QmpEventNamed } from '@corral/qmp/qmp-events';

export interface IoError {
  readonly disk: string;
  /** For want of space: it can go on by itself when there is some. */
  readonly full: boolean;
  readonly reason: string;
}

/** Node names and device ids of disks are `disk-NAME`. */
const diskName = (node: string): string => node.replace(/^.*disk-/, '').replace(/\/.*$/, '');

export function ioErrorOfEvent(data: QmpEventNamed<'BLOCK_IO_ERROR'>['data']): IoError {
  const disk = diskName(data['node-name'] ?? data.device);
  return ioError(disk, data.nospace ?? false, data.reason);
}

/** After an adoption the event is gone; the device still tells what kind of error it was. */
export async function findIoError(qmp: QmpClient): Promise<IoError | null> {
  for (const device of await qmp.execute('query-block')) {
    const status = device['io-status'];
    if (status === undefined || status === 'ok') continue;
    const disk = diskName(device.inserted?.['node-name'] ?? device.qdev ?? device.device);
    return ioError(disk, status === 'nospace', null);
  }
  return null;
}

function ioError(disk: string, full: boolean, detail: string | null): IoError {
  const what = full ? `the volume of disk "${disk}" is full` : `disk "${disk}" reported an I/O error`;
  return { disk, full, reason: detail === null || full ? what : `${what}: ${detail}` };
}
