/** Figures of a VM's control group: its memory with the page cache, and what its ceilings took from it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { groupPath, isInScope } from '../control-group/scope.ts';
import { readCgroup } from '../control-group/vm-scopes.ts';

export interface GroupFigures {
  readonly memoryBytes: number;
  /** For how long its processes would have run and might not. */
  readonly throttledSeconds: number;
  /** How often the kernel ended a process of it for want of memory. */
  readonly outOfMemoryKills: number;
}

/** @param root a test's, in place of the host's own. @returns null for a process in no scope of that VM, or that ended */
export async function readGroupFigures(pid: number, vmId: string, root = '/'): Promise<GroupFigures | null> {
  const cgroup = await readCgroup(join(root, 'proc'), pid);
  if (cgroup === null || !isInScope(cgroup, vmId)) return null;
  const folder = join(root, 'sys/fs/cgroup', groupPath(cgroup)!);
  try {
    const [memory, cpu, events] = await Promise.all(
      ['memory.current', 'cpu.stat', 'memory.events'].map((name) => readFile(join(folder, name), 'utf8')),
    );
    return {
      memoryBytes: Number(memory),
      throttledSeconds: field(cpu!, 'throttled_usec') / 1_000_000,
      outOfMemoryKills: field(events!, 'oom_kill'),
    };
  } catch (cause) {
    // The group went with the last of its processes.
    if (['ENOENT', 'ENODEV'].includes((cause as NodeJS.ErrnoException).code ?? '')) return null;
    throw cause;
  }
}

/** Of a "flat keyed" file (Linux' admin-guide/cgroup-v2.rst). */
function field(text: string, key: string): number {
  return Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}
