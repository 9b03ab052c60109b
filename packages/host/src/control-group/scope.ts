/**
 * What a VM's control group is: a transient scope of systemd below `corral.slice` (systemd.scope(5),
 * systemd.resource-control(5), docs/design/0012-control-groups.md). Pure.
 */
import { memoryOfVm } from '../vm/memory-budget.ts';

export interface ScopeRequest {
  readonly vm: {
    readonly id: string;
    readonly name: string;
    readonly cpus: number;
    readonly memoryBytes: number;
  };
  /** Of QEMU and of what belongs to it: systemd moves them into the scope. */
  readonly pids: readonly number[];
}

export interface ScopeLimits {
  readonly memoryBytes: number;
  /** Processor time per second, in microseconds. */
  readonly cpuMicroseconds: number;
  readonly tasks: number;
}

/** For what QEMU does beside the guest: the page cache, migrations, backups, a TPM. */
const workMemoryBytes = 2 ** 30;
/** QEMU's main loop and its worker threads may take as much as these. */
const workCpus = 2;
/** Beside one for each processor of the guest: threads that do its I/O. */
const workTasks = 1024;

export const scopeOf = (vmId: string): string => `corral-vm-${vmId}.scope`;

/** Ceilings for a QEMU that has run wild, which a sound one never reaches. */
export function scopeLimits({ cpus, memoryBytes }: ScopeRequest['vm']): ScopeLimits {
  return {
    memoryBytes: memoryOfVm(memoryBytes) + workMemoryBytes,
    cpuMicroseconds: (cpus + workCpus) * 1_000_000,
    tasks: cpus + workTasks,
  };
}

/**
 * Arguments of busctl(1) that ask systemd for the scope. At a shutdown units end in the reverse order of `Before`: the
 * scope, and with it QEMU, waits until `corral-guests.service` has saved the VM. A scope that failed is forgotten.
 */
export function startScopeArguments(request: ScopeRequest): string[] {
  const limits = scopeLimits(request.vm);
  const properties = [
    ['Description', 's', `VM ${request.vm.name}`],
    ['Slice', 's', 'corral.slice'],
    ['Before', 'as', '1', 'corral-guests.service'],
    ['CollectMode', 's', 'inactive-or-failed'],
    ['MemoryMax', 't', String(limits.memoryBytes)],
    ['CPUQuotaPerSecUSec', 't', String(limits.cpuMicroseconds)],
    ['TasksMax', 't', String(limits.tasks)],
    ['PIDs', 'au', String(request.pids.length), ...request.pids.map(String)],
  ];
  const manager = [
    'org.freedesktop.systemd1',
    '/org/freedesktop/systemd1',
    'org.freedesktop.systemd1.Manager',
  ];
  const signature = 'ssa(sv)a(sa(sv))';
  const mode = 'fail';
  const auxiliaryUnits = '0';
  return [
    ...['--quiet', 'call', ...manager, 'StartTransientUnit', signature, scopeOf(request.vm.id), mode],
    ...[String(properties.length), ...properties.flat(), auxiliaryUnits],
  ];
}

/** Path of a process' group in control groups v2, from /proc/PID/cgroup (cgroups(7)). Null in v1. */
export function groupPath(cgroup: string): string | null {
  return /^0::(.*)$/m.exec(cgroup)?.[1] ?? null;
}

/** @param cgroup text of /proc/PID/cgroup */
export function isInScope(cgroup: string, vmId: string): boolean {
  return groupPath(cgroup)?.split('/').includes(scopeOf(vmId)) ?? false;
}
