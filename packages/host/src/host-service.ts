/** The host as the API shows it. */
import { statfs } from 'node:fs/promises';
import { availableParallelism, release } from 'node:os';
import type { DoctorReport, Host } from '@corral/api/schemas/host';
import { vmStates } from '@corral/core/vm-actions';
import type { OperationSnapshot } from '@corral/operation/operation';
import { examine } from './doctor/doctor.ts';
import type { Requester } from './operations.ts';
import type { QemuFacts } from './qemu-facts.ts';
import { memoryOfVm, memoryReserve, readHostMemory } from './vm/memory-budget.ts';
import type { VmHost } from './vm/vm-host.ts';

export interface HostIdentity {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
}

export interface AcceleratorChoice {
  readonly kind: 'kvm' | 'tcg';
  readonly reason: string;
}

export interface HostServiceOptions {
  readonly host: VmHost;
  readonly identity: HostIdentity;
  readonly version: string;
  readonly startedAt: string;
  readonly endpoints: () => readonly string[];
  readonly qemu: () => Promise<QemuFacts>;
  readonly accelerator: () => Promise<AcceleratorChoice>;
  readonly busyVms: () => Promise<ReadonlySet<string>>;
  readonly autostop: (requestedBy: string) => Promise<OperationSnapshot>;
  readonly volume: () => Promise<{ readonly fileSystem: string; readonly reflink: boolean }>;
}

const clockOffset = (): number => Date.now() - performance.now();

export class HostService {
  readonly #options: HostServiceOptions;
  readonly #clockOffsetAtStart = clockOffset();

  constructor(options: HostServiceOptions) {
    this.#options = options;
  }

  async show(): Promise<Host> {
    const { host, identity, version, startedAt } = this.#options;
    const [memory, qemu, accelerator, controlGroups, records, volume, space] = await Promise.all([
      readHostMemory(),
      this.#options.qemu(),
      this.#options.accelerator(),
      host.scopes.support(),
      host.records.list(),
      this.#options.volume(),
      statfs(host.directory.root),
    ]);
    const states = records.map((record) => host.supervisor.status(record).state);
    const running = records.flatMap((record) => (record.process ? [record.process.applied.memoryBytes] : []));
    return {
      ...identity,
      startedAt,
      pid: process.pid,
      version,
      nodeVersion: process.versions.node,
      architecture: process.arch,
      kernel: release(),
      processors: availableParallelism(),
      memory: {
        ...memory,
        reserveBytes: memoryReserve(memory.totalBytes),
        assignedBytes: running.reduce((sum, bytes) => sum + memoryOfVm(bytes), 0),
      },
      accelerator,
      controlGroups: { available: controlGroups.available, reason: controlGroups.reason },
      qemu: { version: qemu.version, path: qemu.path, machineType: qemu.machineType },
      dataDirectory: host.directory.root,
      volume: {
        path: host.directory.root,
        ...volume,
        totalBytes: space.blocks * space.bsize,
        freeBytes: space.bavail * space.bsize,
      },
      endpoints: [...this.#options.endpoints()],
      vms: Object.fromEntries(
        vmStates.map((state) => [state, states.filter((other) => other === state).length]),
      ) as Host['vms'],
    };
  }

  autostop(caller: Requester): Promise<OperationSnapshot> {
    return this.#options.autostop(caller.name);
  }

  async doctor(signal: AbortSignal): Promise<DoctorReport> {
    const { host, qemu, accelerator, busyVms } = this.#options;
    return examine({
      directory: host.directory,
      volumes: host.volumes,
      records: await host.records.list(),
      busy: await busyVms(),
      accelerator: await accelerator(),
      controlGroups: await host.scopes.support(),
      qemuVersion: (await qemu()).version,
      clockOffsetAtStartMs: this.#clockOffsetAtStart,
      clockOffsetNowMs: clockOffset(),
      proc: '/proc',
      dev: '/dev',
      signal,
    });
  }
}
