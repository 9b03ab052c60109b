/**
 * A machine that is itself a VM gets its memory from its host at the first touch, and gives back what has been free for
 * some seconds (free page reporting, balloon device). A page then costs five times what it costs otherwise, 0.2 instead
 * of 1 GB/s, for whichever program happens to meet it.
 */
import { open, readFile, rm, statfs } from 'node:fs/promises';

/** What other programs may take meanwhile. */
const leftBytes = 2 * 2 ** 30;

/** Writes to free memory and gives it back: who comes next within some seconds meets pages that the host has given. */
export async function touchMemory(wantedBytes: number): Promise<void> {
  const place = '/dev/shm';
  const { bavail, bsize } = await statfs(place);
  const bytes = Math.min(wantedBytes, bavail * bsize, (await availableBytes()) - leftBytes);
  const path = `${place}/corral-bench-touched-${process.pid}`;
  try {
    await using file = await open(path, 'wx');
    const content = Buffer.alloc(16 * 2 ** 20, 1);
    for (let at = 0; at < bytes; at += content.length) await file.write(content);
  } finally {
    await rm(path, { force: true });
  }
}

/** proc_meminfo(5) */
async function availableBytes(): Promise<number> {
  const [, kilobytes] = /^MemAvailable:\s+(\d+) kB$/m.exec(await readFile('/proc/meminfo', 'utf8'))!;
  return Number(kilobytes) * 1024;
}
