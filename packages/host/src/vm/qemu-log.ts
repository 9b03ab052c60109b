/** What QEMU wrote to its outputs: one file per run, the one before kept beside it. */
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';

export const qemuLogPath = (logFolder: string): string => join(logFolder, 'qemu.log');

export async function rotateLog(logFolder: string): Promise<void> {
  try {
    await rename(qemuLogPath(logFolder), `${qemuLogPath(logFolder)}.1`);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
  }
}

const tailBytes = 2048;

export function lastWords(logFolder: string): Promise<string> {
  return endOfLog(qemuLogPath(logFolder));
}

/** The end of the log, in one line. QEMU prints what a guest makes it print: control characters are taken out. */
export async function endOfLog(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const tail = Buffer.alloc(Math.min(size, tailBytes));
    await file.read(tail, 0, tail.length, size - tail.length);
    const lines = tail.toString('utf8').split('\n');
    return lines
      .map((line) => line.replace(/\p{Cc}/gu, ' ').trim())
      .filter((line) => line !== '')
      .slice(-5)
      .join(' | ');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw cause;
  }
}
