/** `--boot disk:NAME,port:NAME,cdrom`: what the firmware tries, first things first. */
import { cliErrors } from '../errors.ts';

const devicePattern = /^((disk|port):[A-Za-z0-9][A-Za-z0-9._-]{0,62}|cdrom)$/;

/** @throws cli.value for an unknown device or one named twice */
export function parseBootOrder(text: string): readonly string[] {
  const devices = text.split(',');
  const valid = devices.every((device) => devicePattern.test(device));
  if (valid && new Set(devices).size === devices.length) return devices;
  throw cliErrors.value({
    what: 'a boot order',
    text,
    expected:
      'Write the devices in the order in which they are tried, each once: disk:NAME, port:NAME, cdrom, with commas between.',
  });
}
