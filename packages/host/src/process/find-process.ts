/** Finds processes by their arguments: what a daemon started just before it died is in no record. */
import { readdir, readFile } from 'node:fs/promises';
import { identify, type ProcessIdentity } from './process-identity.ts';

/** All processes of which `test` accepts the arguments. Those that end while it looks are passed over. */
export async function findProcesses(test: (args: readonly string[]) => boolean): Promise<ProcessIdentity[]> {
  const found: ProcessIdentity[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const args = await readArguments(Number(entry));
    if (!args || !test(args)) continue;
    const identity = await identify(Number(entry));
    if (identity) found.push(identity);
  }
  return found;
}

async function readArguments(pid: number): Promise<string[] | null> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw cause;
  }
}
