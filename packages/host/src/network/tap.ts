/**
 * TAP devices: the host's end of a port that is on a bridge.
 *
 * Made by the daemon and owned by the VM's user, so that QEMU opens it without any privilege
 * (Linux' Documentation/networking/tuntap.rst). Persistent: it is there again for the next start, and taken away
 * when the VM ends.
 */
import { chmod, stat } from 'node:fs/promises';
import { hostErrors } from '../errors.ts';
import { runCommand } from '../process/run-command.ts';
import { isThere } from '../storage/unless-absent.ts';

/** At most 15 characters (IFNAMSIZ); derived from the port's id, so the same port has the same device. */
export function tapName(portId: string): string {
  return `ct${portId.replaceAll('-', '').slice(0, 12)}`;
}

export function bridgeOf(network: string): string | null {
  return network.startsWith('bridge:') ? network.slice('bridge:'.length) : null;
}

/** Repeatable. @throws host.bridge-missing, host.needs-root, host.command-failed */
export async function createTap(tap: string, bridge: string, uid: number | null): Promise<void> {
  if (process.getuid?.() !== 0) throw hostErrors['needs-root']({ what: `A port on bridge "${bridge}"` });
  if (!(await interfaceExists(bridge, 'bridge'))) throw hostErrors['bridge-missing']({ bridge });
  if (!(await interfaceExists(tap))) {
    const owner = uid === null ? [] : ['user', String(uid)];
    await runCommand('ip', ['tuntap', 'add', 'dev', tap, 'mode', 'tap', 'vnet_hdr', ...owner]);
  }
  await runCommand('ip', ['link', 'set', 'dev', tap, 'master', bridge, 'up']);
  await admitToTunDevice();
}

const tunDevice = '/dev/net/tun';
const everybody = 0o666;

/**
 * udev gives the device this mode on every Debian (50-udev-default.rules); where no udev runs it is root's alone. It
 * opens nothing by itself: the kernel asks for the owner of the TAP device or CAP_NET_ADMIN (tuntap.rst).
 */
async function admitToTunDevice(): Promise<void> {
  const { mode } = await stat(tunDevice);
  if ((mode & everybody) !== everybody) await chmod(tunDevice, everybody);
}

/** Repeatable. */
export async function deleteTap(tap: string): Promise<void> {
  if (await interfaceExists(tap)) await runCommand('ip', ['link', 'delete', 'dev', tap]);
}

export async function interfaceExists(name: string, kind?: 'bridge'): Promise<boolean> {
  return await isThere(`/sys/class/net/${name}${kind ? `/${kind}` : ''}`);
}
