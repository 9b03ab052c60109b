/** The display of a VM as a PNG, taken by its QEMU (QEMU's documentation, QMP `screendump`). */
import { constants, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorOf, type VmHost } from '../vm/vm-host.ts';

/** A picture of a display is some 10 KiB of text or a few MiB of a desktop. */
const mostBytes = 8 * 2 ** 20;
const pngMagic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Null when what QEMU wrote is no picture. */
export async function screenshot(host: VmHost, vmId: string, signal: AbortSignal): Promise<Buffer | null> {
  const qmp = await monitorOf(host, vmId, signal);
  // QEMU may write in this folder alone, and might put a link where we read: it is not followed.
  const path = join(host.directory.vm(vmId).run, 'screenshot.png');
  try {
    await qmp.execute(
      'screendump',
      { filename: host.directory.forQemu(path), format: 'png' },
      { signal, limitMs: 30_000 },
    );
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const found = await file.stat();
    if (!found.isFile() || found.size > mostBytes) return null;
    const content = Buffer.alloc(found.size);
    const { bytesRead } = await file.read(content, 0, content.length, 0);
    const picture = content.subarray(0, bytesRead);
    return picture.subarray(0, pngMagic.length).equals(pngMagic) ? picture : null;
  } finally {
    await rm(path, { force: true });
  }
}
