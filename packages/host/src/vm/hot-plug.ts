/** Disks and ports of a VM that runs: added to and taken from its QEMU. Repeatable, both ways. */
import type { DiskSettings, PortSettings, VmSettings } from '@corral/api/schemas/vm-settings';
import { isCorralError } from '@corral/core/errors';
import type { QmpClient } from '@corral/qmp/qmp-client';
import type { LayerFile } from '../chain/layer-file.ts';
import { vmErrors } from '../errors.ts';
import {
  diskDevice,
  diskDeviceOptions,
  diskFileOptions,
  diskFormatOptions,
  layerFileNode,
  layerNode,
  netdevOptions,
  parentBlockdevs,
  portDevice,
  portDeviceOptions,
  portNetdev,
} from './qemu-devices.ts';

/** A guest that still boots does not answer the request to let go of a device. */
const unplugLimitMs = 30_000;
const askAgainMs = 1_000;

export async function plugDisk(
  qmp: QmpClient,
  disk: DiskSettings,
  file: LayerFile,
  /** Of `disk.parents`. */
  below: readonly LayerFile[],
  signal: AbortSignal,
): Promise<void> {
  for (const layer of parentBlockdevs(disk, below)) {
    await unlessThere(qmp.execute('blockdev-add', layer as never, { signal }));
  }
  await unlessThere(qmp.execute('blockdev-add', diskFileOptions(disk, file) as never, { signal }));
  await unlessThere(qmp.execute('blockdev-add', diskFormatOptions(disk) as never, { signal }));
  await unlessThere(qmp.execute('device_add', diskDeviceOptions(disk, null, null) as never, { signal }));
}

export async function unplugDisk(
  qmp: QmpClient,
  vm: VmSettings,
  disk: DiskSettings,
  signal: AbortSignal,
): Promise<void> {
  await unplugDevice(qmp, vm, diskDevice(disk.name), `disk "${disk.name}"`, signal);
  // The file's node of a layer below goes with it: QEMU made both in one.
  const nodes = [
    layerNode(disk.path),
    layerFileNode(disk.path),
    ...disk.parents.map(({ path }) => layerNode(path)),
  ];
  for (const node of nodes) await unlessGone(qmp.execute('blockdev-del', { 'node-name': node }, { signal }));
}

export async function plugPort(
  qmp: QmpClient,
  port: PortSettings,
  tap: string | null,
  signal: AbortSignal,
): Promise<void> {
  const netdev = netdevOptions(port, tap);
  const options = netdev.type === 'tap' ? { ...netdev, script: 'no', downscript: 'no' } : netdev;
  await unlessThere(qmp.execute('netdev_add', options as never, { signal }));
  await unlessThere(qmp.execute('device_add', portDeviceOptions(port, null) as never, { signal }));
}

export async function unplugPort(
  qmp: QmpClient,
  vm: VmSettings,
  port: PortSettings,
  signal: AbortSignal,
): Promise<void> {
  await unplugDevice(qmp, vm, portDevice(port.name), `port "${port.name}"`, signal);
  await unlessGone(qmp.execute('netdev_del', { id: portNetdev(port.name) }, { signal }));
}

/** Only the guest can let go of a PCI device; until it does the device is there (QEMU's docs, `device_del`). */
async function unplugDevice(
  qmp: QmpClient,
  vm: VmSettings,
  id: string,
  thing: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await qmp.waitFor(
      `Unplugging ${thing}`,
      async (limited) => {
        if (!(await hasDevice(qmp, id, limited))) return true;
        await whileUnplugging(qmp.execute('device_del', { id }, { signal: limited }));
        return undefined;
      },
      { signal, limitMs: unplugLimitMs, events: ['DEVICE_DELETED'], everyMs: askAgainMs },
    );
  } catch (cause) {
    if (!isCorralError(cause, 'core.timeout')) throw cause;
    throw vmErrors['cannot-hotplug'](
      { vm: vm.name, thing, reason: `the guest did not let go of it within ${unplugLimitMs} ms` },
      { cause },
    );
  }
}

async function hasDevice(qmp: QmpClient, id: string, signal: AbortSignal): Promise<boolean> {
  const devices = await qmp.execute('qom-list', { path: '/machine/peripheral' }, { signal });
  return devices.some(({ name }) => name === id);
}

/** QEMU has no error class for a name that is taken, only words. */
async function unlessThere(work: Promise<unknown>): Promise<void> {
  await unless(work, /duplicate|already (exists|in use)/i);
}

async function unlessGone(work: Promise<unknown>): Promise<void> {
  await unless(work, /not found|failed to find|cannot find/i);
}

/** Asked again while the guest has not answered, QEMU says that the device is being unplugged already. */
async function whileUnplugging(work: Promise<unknown>): Promise<void> {
  await unless(work, /already in the process of unplug|not found/i);
}

async function unless(work: Promise<unknown>, words: RegExp): Promise<void> {
  try {
    await work;
  } catch (cause) {
    if (!isCorralError(cause) || !cause.code.startsWith('qmp.') || !words.test(cause.message)) throw cause;
  }
}
