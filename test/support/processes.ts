/** Processes that belong to a data directory: they name it in their arguments, or work in it. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export function processesOf(data: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((pid) => belongs(pid, data))
    .map(Number);
}

/** One letter, as proc(5) has it: `T` when it was stopped. */
export function stateOf(pid: number | string): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.charAt(stat.lastIndexOf(')') + 2);
}

function belongs(pid: string, data: string): boolean {
  try {
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return stateOf(pid) !== 'Z' && (args.includes(data) || readlinkSync(`/proc/${pid}/cwd`) === data);
  } catch (cause) {
    // It ended while it was looked at.
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((cause as NodeJS.ErrnoException).code ?? '')) return false;
    throw cause;
  }
}

/** Ends them and waits until they are gone, with the files that they had open. */
export async function killProcessesOf(data: string): Promise<void> {
  for (let pids = processesOf(data); pids.length > 0; pids = processesOf(data)) {
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause;
      }
    }
    // One that ends loses its arguments, by which it is found, before it closes its files.
    while (pids.some(isAlive)) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The first thread of a process may have ended while others still close its files. */
function isAlive(pid: number): boolean {
  try {
    return stateOf(pid) !== 'Z' || readdirSync(`/proc/${pid}/task`).length > 1;
  } catch (cause) {
    if (['ENOENT', 'ESRCH'].includes((cause as NodeJS.ErrnoException).code ?? '')) return false;
    throw cause;
  }
}
