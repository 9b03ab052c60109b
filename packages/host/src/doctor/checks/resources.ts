/** Memory, space and limits: what a host runs out of. */
import { readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { formatSize } from '@corral/core/units';
import { memoryOfVm, memoryReserve, parseMeminfo } from '../../vm/memory-budget.ts';
import { type DoctorCheck, finding, healthy } from '../check.ts';

export const checkMemoryReserve: DoctorCheck = async ({ proc, records }) => {
  const memory = parseMeminfo(await readFile(join(proc, 'meminfo'), 'utf8'));
  const reserve = memoryReserve(memory.totalBytes);
  const running = records.filter((record) => record.process);
  const promised = running.reduce((sum, record) => sum + memoryOfVm(record.process!.applied.memoryBytes), 0);
  const title = 'Memory reserve';
  if (promised > memory.totalBytes - reserve || memory.availableBytes < reserve) {
    return finding(
      'memory-reserve',
      'warning',
      title,
      `Running VMs may take ${formatSize(promised)} of ${formatSize(memory.totalBytes)}; ${formatSize(memory.availableBytes)} are available. The host needs ${formatSize(reserve)} for itself.`,
      'Stop or save a VM, or give VMs less memory with "corral vm set NAME --memory".',
      running.map((record) => record.settings.name),
    );
  }
  return healthy('memory-reserve', title, `${formatSize(memory.availableBytes)} are available.`);
};

/** Below both, writes of guests are about to fail. */
const leastFreeShare = 0.05;
const leastFreeBytes = 2 * 2 ** 30;

export const checkSpace: DoctorCheck = async ({ directory }) => {
  const { bavail, bsize, blocks } = await statfs(directory.root);
  const free = bavail * bsize;
  const detail = `${formatSize(free)} of ${formatSize(blocks * bsize)} are free on the volume of ${directory.root}.`;
  if (free >= leastFreeBytes || free >= blocks * bsize * leastFreeShare) {
    return healthy('space', 'Free space', detail);
  }
  return finding(
    'space',
    'error',
    'Free space',
    detail,
    'Free some space: a guest that cannot write is paused until there is some.',
    [directory.root],
  );
};

const leastOpenFiles = 4096;

export const checkLimits: DoctorCheck = async ({ proc }) => {
  const limits = await readFile(join(proc, 'self/limits'), 'utf8');
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1] ?? 'unlimited';
  if (soft === 'unlimited' || Number(soft) >= leastOpenFiles) {
    return healthy('limits', 'Limits', `The daemon may open ${soft} files.`);
  }
  return finding(
    'limits',
    'warning',
    'Limits',
    `The daemon and its VMs may open ${soft} files each; long chains of disks need more.`,
    `Raise the limit to ${leastOpenFiles} or more: LimitNOFILE= in the systemd unit, or "ulimit -n" before the start.`,
  );
};
