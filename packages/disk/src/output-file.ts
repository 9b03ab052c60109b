/**
 * A file that appears under its name only when it is whole: written under a temporary name in the same folder,
 * flushed, and linked into place. What a process that died left behind is removed by the next one that writes the
 * same name on the same machine.
 */
import { createHash, randomBytes } from 'node:crypto';
import { access, link, lstat, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { diskErrors } from './errors.ts';
import { mergeRecordPath } from './merge-record.ts';
import { syncFolder } from './sync.ts';

/** Runs `write` on a temporary name; when it has closed the file, the file gets its own. @throws disk.exists */
export async function writeOutput<T>(path: string, write: (temporary: string) => Promise<T>): Promise<T> {
  const target = resolve(path);
  if (await exists(target)) throw diskErrors.exists({ path });
  const writer = await thisProcess();
  await removeStale(target, writer);
  const temporary = join(
    dirname(target),
    `${prefix(target)}${writer}-${randomBytes(4).toString('hex')}.partial`,
  );
  try {
    const result = await write(temporary);
    // Of a disk of that name that is gone.
    await removeIfThere(mergeRecordPath(target));
    await moveIntoPlace(temporary, target);
    return result;
  } catch (cause) {
    await removeIfThere(temporary);
    throw cause;
  }
}

function prefix(target: string): string {
  // Long names keep room for what is added; two targets that share a prefix only share the cleaning.
  return `.${basename(target).slice(0, 160)}.`;
}

/** Fails if the name was taken meanwhile: a link, unlike a rename, overwrites nothing. */
async function moveIntoPlace(temporary: string, target: string): Promise<void> {
  try {
    await link(temporary, target);
    await unlink(temporary);
  } catch (cause) {
    const code = codeOf(cause);
    if (code === 'EEXIST') throw diskErrors.exists({ path: target }, { cause });
    // File systems without hard links (FAT, some network shares).
    if (code !== 'EPERM' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS' && code !== 'ENOTSUP') throw cause;
    if (await exists(target)) throw diskErrors.exists({ path: target }, { cause });
    await rename(temporary, target);
  }
  await syncFolder(dirname(target));
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return false;
    throw diskErrors.io({ path, action: 'look for', reason: String(codeOf(cause)) }, { cause });
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (cause) {
    // The writing failed before there was a file.
    if (codeOf(cause) !== 'ENOENT') throw cause;
  }
}

/** Machine, boot, process and its start: enough to know later whether it still runs. */
async function thisProcess(): Promise<string> {
  return [await machineTag(), await bootTag(), process.pid, await startOf(process.pid)].join('-');
}

async function machineTag(): Promise<string> {
  const id = await readFile('/etc/machine-id', 'utf8').catch(() => hostname());
  return createHash('sha256').update(id).digest('hex').slice(0, 8);
}

async function bootTag(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).slice(0, 8);
}

/** Start of a process in ticks since the boot, proc(5); undefined if there is none. */
async function startOf(pid: number): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ESRCH') return undefined;
    throw cause;
  }
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}

async function removeStale(target: string, writer: string): Promise<void> {
  const folder = dirname(target);
  try {
    await access(folder);
  } catch (cause) {
    throw diskErrors['not-found']({ path: folder }, { cause });
  }
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix(target)) || !name.endsWith('.partial')) continue;
    const fields = name.slice(prefix(target).length).split('-');
    if (fields.length === 5 && (await isStale(fields, writer))) await removeIfThere(join(folder, name));
  }
}

/** Only of this machine: another one's process cannot be seen from here. */
async function isStale([machine, boot, pid, start]: readonly string[], writer: string): Promise<boolean> {
  const [ownMachine, ownBoot] = writer.split('-');
  if (machine !== ownMachine) return false;
  return boot !== ownBoot || (await startOf(Number(pid))) !== start;
}
