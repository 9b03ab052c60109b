/** Figures of a VM that runs, as they are now. What a VM that hangs does not tell is left out. */
import { readFile } from 'node:fs/promises';
import { isCorralError } from '@corral/core/errors';
import type { VmState } from '@corral/core/vm-actions';
import { bridgeOf, tapName } from '../network/tap.ts';
import { diskOfDevice } from '../vm/io-error.ts';
import type { VmHost } from '../vm/vm-host.ts';
import type { VmRecord } from '../vm/vm-record.ts';
import { type GroupFigures, readGroupFigures } from './group-figures.ts';

export interface DiskFigures {
  readonly disk: string;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly reads: number;
  readonly writes: number;
  readonly flushes: number;
}

/** As the guest sees them: what it received and sent. */
export interface PortFigures {
  readonly port: string;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export interface VmFigures {
  readonly id: string;
  readonly name: string;
  readonly state: VmState;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Of QEMU's process; null when there is none. */
  readonly residentBytes: number | null;
  readonly cpuSeconds: number | null;
  /** Null where it has no control group of its own. */
  readonly group: GroupFigures | null;
  readonly disks: readonly DiskFigures[];
  readonly ports: readonly PortFigures[];
}

/** A scrape does not wait longer for one VM. */
const askLimitMs = 1_000;

export async function collectVmFigures(host: VmHost): Promise<VmFigures[]> {
  return Promise.all((await host.records.list()).map((record) => figuresOf(host, record)));
}

async function figuresOf(host: VmHost, record: VmRecord): Promise<VmFigures> {
  const { id, name, cpus, memoryBytes } = record.settings;
  const usage = record.process ? await processUsage(record.process.pid) : null;
  return {
    id,
    name,
    state: host.supervisor.status(record).state,
    cpus,
    memoryBytes,
    residentBytes: usage?.residentBytes ?? null,
    cpuSeconds: usage?.cpuSeconds ?? null,
    group: record.process ? await readGroupFigures(record.process.pid, id) : null,
    disks: await diskFigures(host, record),
    ports: await portFigures(record),
  };
}

async function diskFigures(host: VmHost, record: VmRecord): Promise<DiskFigures[]> {
  if (!host.supervisor.isAttached(record.settings.id)) return [];
  try {
    const stats = await host.supervisor
      .monitor(record)
      .execute('query-blockstats', {}, { limitMs: askLimitMs });
    return stats.flatMap(({ qdev, stats: of }) => {
      const disk = diskOfDevice(qdev ?? '');
      if (!record.settings.disks.some(({ name }) => name === disk)) return [];
      return [
        {
          disk,
          readBytes: of.rd_bytes,
          writtenBytes: of.wr_bytes,
          reads: of.rd_operations,
          writes: of.wr_operations,
          flushes: of.flush_operations,
        },
      ];
    });
  } catch (cause) {
    // It ended or hangs just now; the next scrape tells which.
    const passing = ['core.timeout', 'qmp.connection-lost', 'qmp.closed', 'vm.qemu-gone'];
    if (passing.some((code) => isCorralError(cause, code))) return [];
    throw cause;
  }
}

/** Only a TAP device counts; the user-mode network does not. What the host's end received, the guest sent. */
async function portFigures(record: VmRecord): Promise<PortFigures[]> {
  const figures: PortFigures[] = [];
  for (const port of record.process?.applied.ports ?? []) {
    if (!bridgeOf(port.network)) continue;
    const folder = `/sys/class/net/${tapName(port.id)}/statistics`;
    const sent = await readNumber(`${folder}/rx_bytes`);
    const received = await readNumber(`${folder}/tx_bytes`);
    if (sent !== null && received !== null)
      figures.push({ port: port.name, receivedBytes: received, sentBytes: sent });
  }
  return figures;
}

/** sysconf(_SC_CLK_TCK) and the page size are these on every x86-64 and arm64 Linux that Debian builds. */
const ticksPerSecond = 100;
const pageBytes = 4096;

/** proc(5): fields 14 and 15 of stat, field 2 of statm. */
async function processUsage(pid: number): Promise<{ cpuSeconds: number; residentBytes: number } | null> {
  const stat = await readText(`/proc/${pid}/stat`);
  const statm = await readText(`/proc/${pid}/statm`);
  if (stat === null || statm === null) return null;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    residentBytes: Number(statm.split(' ')[1]) * pageBytes,
  };
}

async function readNumber(path: string): Promise<number | null> {
  const text = await readText(path);
  return text === null ? null : Number(text);
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (['ENOENT', 'ESRCH'].includes((cause as NodeJS.ErrnoException).code ?? '')) return null;
    throw cause;
  }
}
