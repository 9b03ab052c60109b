/** qemu-img and qemu-io as judges. The format is always named: a judge that guesses judges something else. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DiskFormat } from '@corral/disk/disk';

const execute = promisify(execFile);

export function qemuFormat(format: DiskFormat): string {
  return format === 'vhd' ? 'vpc' : format;
}

/** Standard output. @throws with what it said if it fails */
export async function qemuImg(...args: readonly string[]): Promise<string> {
  const { stdout } = await execute('qemu-img', [...args], { maxBuffer: 2 ** 26 });
  return stdout;
}

export async function qemuIo(format: string, path: string, ...commands: readonly string[]): Promise<string> {
  const args = commands.flatMap((command) => ['-c', command]);
  const { stdout } = await execute('qemu-io', ['-f', format, ...args, path], { maxBuffer: 2 ** 26 });
  // It ends with 0 also when a command failed.
  if (/failed|error/i.test(stdout)) throw new Error(stdout);
  return stdout;
}

/** No errors and no leaks. */
export async function assertClean(format: DiskFormat, path: string): Promise<void> {
  await qemuImg('check', '-f', qemuFormat(format), path);
}

/** Both disks read the same. */
export async function assertSame(
  format: DiskFormat,
  path: string,
  otherFormat: DiskFormat,
  other: string,
): Promise<void> {
  await qemuImg('compare', '-f', qemuFormat(format), '-F', qemuFormat(otherFormat), path, other);
}

export async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-test-disk-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
