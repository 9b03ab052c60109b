/** What belongs to no VM: processes, folders and network devices that something left behind. */
import { readdir } from 'node:fs/promises';
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

async function processes({ directory, records, busy }: DoctorContext): Promise<string[]> {
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
async function taps({ records, busy, directory }: DoctorContext): Promise<string[]> {
  if (busy.size > 0) return [];
  const known = new Set(records.flatMap((record) => record.settings.ports.map((port) => tapName(port.id))));
  const names = await readdir('/sys/class/net');
  const strangers = names.filter((name) => /^ct[0-9a-f]{12}$/.test(name) && !known.has(name));
  if (strangers.length === 0) return [];
  const others = await findProcesses(
    (args) =>
      args.some((arg) => strangers.some((tap) => arg.includes(`ifname=${tap}`))) &&
      !args.some((arg) => arg.startsWith(directory.root)),
  );
  return others.length > 0 ? [] : strangers.map((name) => `network device ${name}`);
}
