/** What belongs to no VM: processes, folders and network devices that something left behind. */
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { tapName } from '../../network/tap.ts';
import { findProcesses } from '../../process/find-process.ts';
import { type DoctorCheck, type DoctorContext, finding, healthy } from '../check.ts';

export const checkLeftOvers: DoctorCheck = async (context) => {
  const found = [...(await processes(context)), ...(await folders(context)), ...(await taps(context))];
  const title = 'Left-overs';
  if (found.length === 0) return healthy('left-overs', title, 'Nothing was left behind.');
  return finding(
    'left-overs',
    'warning',
    title,
    `These belong to no VM of this host: ${found.join('; ')}.`,
    'Look at each; end the processes with "kill", move the folders away, delete the devices with "ip link delete".',
    found,
  );
};

async function processes(context: DoctorContext): Promise<string[]> {
  return [...(await qemus(context)), ...(await tpms(context))];
}

async function qemus({ directory, records, busy }: DoctorContext): Promise<string[]> {
  const known = new Set(records.map((record) => record.process?.pid));
  const mark = `${directory.root}/vms/`;
  const idOf = (args: readonly string[]): string | undefined =>
    args
      .find((arg) => arg.startsWith(mark))
      ?.slice(mark.length)
      .split('/')[0];
  const found = await findProcesses((args) => {
    const id = args[0]?.includes('qemu-system') ? idOf(args) : undefined;
    return id !== undefined && !busy.has(id);
  });
  return found.filter(({ pid }) => !known.has(pid)).map(({ pid }) => `QEMU process ${pid}`);
}

/** One for a QEMU that is gone; each of them works in the data directory that it belongs to. */
async function tpms({ directory, records, busy }: DoctorContext): Promise<string[]> {
  const known = new Set([
    ...records.filter(({ process }) => process).map(({ settings }) => settings.id),
    ...busy,
  ]);
  const strange = await findProcesses((args) => {
    if (!args[0]?.endsWith('swtpm')) return false;
    const id = args.flatMap((arg) => /^dir=vms\/([^/]+)\/tpm$/.exec(arg)?.[1] ?? [])[0];
    return id !== undefined && !known.has(id);
  });
  const found: string[] = [];
  for (const { pid } of strange) {
    if ((await workingFolder(pid)) === directory.root) found.push(`swtpm process ${pid}`);
  }
  return found;
}

async function workingFolder(pid: number): Promise<string | null> {
  try {
    return await readlink(`/proc/${pid}/cwd`);
  } catch (cause) {
    // It ended meanwhile, or belongs to somebody into whose processes this user may not look.
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((cause as NodeJS.ErrnoException).code ?? '')) return null;
    throw cause;
  }
}

async function folders({ directory, records, busy }: DoctorContext): Promise<string[]> {
  const known = new Set([...records.map((record) => record.settings.id), ...busy]);
  const found: string[] = [];
  for (const parent of ['vms', 'run']) {
    const names = await readdir(join(directory.root, parent));
    found.push(...names.filter((name) => !known.has(name)).map((name) => join(directory.root, parent, name)));
  }
  return found;
}

/** Devices of ours are `ct` and twelve digits; another data directory on this host may have some too. */
async function taps({ records, busy }: DoctorContext): Promise<string[]> {
  if (busy.size > 0) return [];
  const known = new Set(records.flatMap((record) => record.settings.ports.map((port) => tapName(port.id))));
  const names = await readdir('/sys/class/net');
  const strangers = names.filter((name) => /^ct[0-9a-f]{12}$/.test(name) && !known.has(name));
  const unused = await Promise.all(
    strangers.map(async (name) => {
      const users = await findProcesses((args) => args.some((arg) => arg.includes(`ifname=${name},`)));
      return users.length === 0 ? [`network device ${name}`] : [];
    }),
  );
  return unused.flat();
}
