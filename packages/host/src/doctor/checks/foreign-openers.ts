/** Programs that hold files of a VM open: a virus scanner or a backup agent that locks or slows them. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { disksFolder } from '../../volume/placement.ts';
import { type DoctorCheck, type DoctorContext, finding, healthy } from '../check.ts';

export const checkForeignOpeners: DoctorCheck = async (context) => {
  const openers = await findOpeners(context);
  const title = 'Files of VMs opened by others';
  if (openers.length === 0) {
    return healthy('foreign-openers', title, 'No other program has files of a VM open.');
  }
  return finding(
    'foreign-openers',
    'error',
    title,
    `Other programs have files of VMs open: ${openers.join('; ')}.`,
    `End them, and exclude ${context.directory.root} from scanners and file backups.`,
    openers,
  );
};

async function findOpeners({ proc, directory, records, volumes }: DoctorContext): Promise<string[]> {
  const own = new Set([String(process.pid), ...records.map((record) => String(record.process?.pid))]);
  const folders = (await volumes.records.list()).map((volume) => `${disksFolder(volume)}/`);
  folders.push(`${directory.root}/vms/`);
  const openers: string[] = [];
  for (const pid of await readdir(proc)) {
    if (!/^\d+$/.test(pid) || own.has(pid)) continue;
    const file = await unlessGone(openFileBelow(join(proc, pid, 'fd'), folders));
    if (!file) continue;
    const name = (await unlessGone(readFile(join(proc, pid, 'comm'), 'utf8')))?.trim() ?? '?';
    // The helpers that Corral itself starts for a moment.
    if (!['qemu-img', 'mke2fs', 'swtpm', 'qemu-nbd', 'qemu-storage-da'].includes(name)) {
      openers.push(`${name} (process ${pid}) has ${file}`);
    }
  }
  return openers;
}

async function openFileBelow(fds: string, folders: readonly string[]): Promise<string | null> {
  for (const fd of await readdir(fds)) {
    const path = await unlessGone(readlink(join(fds, fd)));
    if (folders.some((folder) => path?.startsWith(folder))) return path;
  }
  return null;
}

/** Null for a process that ended meanwhile, or one that this user may not look into. */
async function unlessGone<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (cause) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((cause as NodeJS.ErrnoException).code ?? ''))
      return null;
    throw cause;
  }
}
