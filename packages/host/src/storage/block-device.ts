/** Block devices that a VM may be given whole. */
import { open, stat } from 'node:fs/promises';
import { vmErrors } from '../errors.ts';

/** @throws vm.bad-disk when it is no block device */
export async function inspectDevice(
  path: string,
): Promise<{ readonly format: 'raw'; readonly sizeBytes: number }> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause;
    throw vmErrors['bad-disk']({ disk: path, reason: 'there is no such device.' }, { cause });
  });
  if (!found.isBlockDevice()) throw vmErrors['bad-disk']({ disk: path, reason: 'it is no block device.' });
  await using device = await open(path, 'r');
  return { format: 'raw', sizeBytes: await seekEnd(device) };
}

/** stat(2) tells no size of a device; reading past the end tells where it is, by halving. */
async function seekEnd(device: Awaited<ReturnType<typeof open>>): Promise<number> {
  const byte = new Uint8Array(1);
  const hasByte = async (offset: number): Promise<boolean> =>
    (await device.read(byte, 0, 1, offset)).bytesRead === 1;
  let above = 512;
  while (await hasByte(above - 1)) above *= 2;
  let below = above / 2;
  while (above - below > 512) {
    const middle = below + Math.floor((above - below) / 1024) * 512;
    if (await hasByte(middle - 1)) below = middle;
    else above = middle;
  }
  return below;
}
