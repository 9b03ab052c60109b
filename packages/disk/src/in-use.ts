/**
 * Whether QEMU, or one of its tools, has a disk open: each locks some of the bytes 100 to 299 of the file, whatever it does
 * with it (QEMU's block/file-posix.c, RAW_LOCK_PERM_BASE). The locks are looked at in `/proc/locks` (proc_locks(5)), not
 * taken: this keeps people from changing the disk of a VM that runs, and is no lock between writers. Where the kernel shows
 * none, or under another device than stat(2) has (btrfs), nothing is found.
 */
import { readFile, stat } from 'node:fs/promises';
import { diskErrors } from './errors.ts';

const firstByte = 100;
const endByte = 300;

/** @throws disk.in-use */
export async function requireNotInUse(path: string): Promise<void> {
  const locks = await readFile('/proc/locks', 'utf8').catch((cause: NodeJS.ErrnoException) => {
    // A kernel that has no such file, or does not show it.
    if (cause.code === 'ENOENT' || cause.code === 'EACCES') return '';
    throw cause;
  });
  if (!locks.includes('OFDLCK')) return;
  const { dev, ino } = await stat(path, { bigint: true }).catch((cause: unknown) => {
    throw diskErrors['not-found']({ path }, { cause });
  });
  if (isLocked(locks, { dev, ino })) throw diskErrors['in-use']({ path });
}

/** Pure. `1: OFDLCK ADVISORY  READ -1 fe:00:2151046 100 101`; `->` before the kind of one that waits. */
export function isLocked(
  locks: string,
  { dev, ino }: { readonly dev: bigint; readonly ino: bigint },
): boolean {
  const file = `${deviceName(dev)}:${ino}`;
  return locks.split('\n').some((line) => {
    const [, kind, , , , place, from, to] = line.trim().split(/\s+/);
    if (kind !== 'OFDLCK' || place !== file) return false;
    return Number(from) < endByte && (to === 'EOF' || Number(to) >= firstByte);
  });
}

/** As the kernel prints it, from the number that stat(2) returns (makedev(3)). */
function deviceName(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return [major, minor].map((part) => part.toString(16).padStart(2, '0')).join(':');
}
