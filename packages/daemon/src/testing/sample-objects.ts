/** Objects of the API for tests, whole and valid. */

import type { Backup } from '@corral/api/schemas/backup';
import type { BackupPlan } from '@corral/api/schemas/backup-plan';
import type { Checkpoint } from '@corral/api/schemas/checkpoint';
import type { DoctorReport, Host } from '@corral/api/schemas/host';
import type { Image } from '@corral/api/schemas/image';
import type { Changes, Reference } from '@corral/api/schemas/reference';
import type { Repository, RepositoryStatistics } from '@corral/api/schemas/repository';
import type { Tracking } from '@corral/api/schemas/tracking';
import type { Vm } from '@corral/api/schemas/vm';
import type { Volume, VolumeCheck } from '@corral/api/schemas/volume';
import { newId } from '@corral/core/ids';
import type { OperationSnapshot } from '@corral/operation/operation';

export function sampleVm(name: string, given: Partial<Vm> = {}): Vm {
  return {
    id: newId(),
    name,
    createdAt: '2026-01-01T00:00:00.000Z',
    generation: 1,
    generationId: newId(),
    profile: 'linux',
    version: { machineType: 'pc-q35-7.2', cpuModel: 'qemu64' },
    cpus: 1,
    memoryBytes: 256 * 2 ** 20,
    firmware: 'bios',
    secureBoot: false,
    tpm: false,
    bootOrder: [],
    kernel: null,
    iso: null,
    seed: null,
    image: null,
    autostart: null,
    autostop: 'save',
    disks: [],
    ports: [],
    state: 'off',
    stateReason: null,
    pid: null,
    accelerator: null,
    startedAt: null,
    pendingRestart: [],
    operationId: null,
    ...given,
  };
}

export function sampleCheckpoint(name: string, given: Partial<Checkpoint> = {}): Checkpoint {
  return {
    id: '00000000-0000-4000-8000-00000000c001',
    name,
    vmId: '00000000-0000-4000-8000-00000000a001',
    parentId: null,
    type: 'standard',
    askedType: 'standard',
    consistency: 'memory',
    reason: null,
    state: 'running',
    createdAt: '2026-01-01T00:00:00.000Z',
    pauseMs: 9.5,
    sizeBytes: 2 ** 20,
    changedBytes: 4096,
    current: true,
    ...given,
  };
}

export function sampleOperation(given: Partial<OperationSnapshot> = {}): OperationSnapshot {
  return {
    id: newId(),
    kind: 'vm.start',
    title: 'Start VM web1',
    state: 'running',
    targets: ['vm/1'],
    owner: 'n1',
    requestedBy: null,
    createdAt: '2026-01-01T00:00:00.000Z',
    startedAt: null,
    finishedAt: null,
    steps: [{ name: 'launch', state: 'running', attempts: 1 }],
    progress: null,
    cancellable: true,
    error: null,
    undoError: null,
    output: null,
    revision: 1,
    ...given,
  };
}

export function sampleImage(name: string): Image {
  return {
    id: newId(),
    name,
    createdAt: '2026-01-01T00:00:00.000Z',
    kind: 'kernel',
    format: null,
    sizeBytes: 10,
    storedBytes: 10,
    sha256: null,
    profile: 'micro',
    source: 'built',
    usedBy: [],
  };
}

export function sampleHost(): Host {
  return {
    id: newId(),
    name: 'n1',
    createdAt: '2026-01-01T00:00:00.000Z',
    startedAt: '2026-01-01T00:00:00.000Z',
    pid: 1,
    version: '0.1.0',
    nodeVersion: 'v24.0.0',
    architecture: 'x64',
    kernel: '6.1',
    processors: 2,
    memory: { totalBytes: 4, availableBytes: 3, reserveBytes: 2, assignedBytes: 1 },
    accelerator: { kind: 'tcg', reason: 'no /dev/kvm' },
    controlGroups: { available: false, reason: 'systemd does not run on this host.' },
    qemu: { version: '7.2.22', path: '/usr/bin/qemu-system-x86_64', machineType: 'pc-q35-7.2' },
    dataDirectory: '/var/lib/corral',
    volume: { path: '/', fileSystem: 'ext4', totalBytes: 2, freeBytes: 1, reflink: false },
    endpoints: [],
    vms: { off: 1, starting: 0, running: 0, paused: 0, saving: 0, saved: 0, stopping: 0, unresponsive: 0 },
  };
}

export function sampleDoctorReport(): DoctorReport {
  return { checkedAt: '2026-01-01T00:00:00.000Z', worst: 'ok', findings: [] };
}

export function sampleVolume(name: string): Volume {
  return {
    id: newId(),
    name,
    createdAt: '2026-01-01T00:00:00.000Z',
    kind: 'directory',
    path: '/var/lib/corral',
    local: name === 'local',
    state: 'held',
    stateReason: null,
    owner: { kind: 'host', id: 'h1', name: 'n1', since: '2026-01-01T00:00:00.000Z' },
    generation: 1,
    fileSystem: 'xfs',
    capabilities: {
      reflink: true,
      copyFileRange: true,
      sparseFiles: true,
      holePunching: true,
      directIo: true,
      folderSync: true,
    },
    totalBytes: 100,
    freeBytes: 50,
    allocatedBytes: 10,
    provisionedBytes: 30,
    overcommitRatio: 0.5,
    reserveBytes: 5,
    belowReserve: false,
    usedBy: [],
  };
}

export const soundVolumeCheck: VolumeCheck = {
  volume: 'local',
  checkedAt: '2026-01-01T00:00:00.000Z',
  ok: true,
  vms: 1,
  files: 1,
  findings: [],
};

export function sampleRepository(name: string): Repository {
  return {
    id: newId(),
    name,
    createdAt: '2026-01-01T00:00:00.000Z',
    repositoryId: newId(),
    place: { kind: 'directory', path: '/backup' },
    encrypted: true,
    retention: { daily: 7 },
    appendOnly: false,
    lockDays: 0,
  };
}

export function sampleRepositoryStatistics(): RepositoryStatistics {
  return {
    points: 3,
    virtualMachines: 1,
    storedBytes: 2 ** 20,
    logicalBytes: 2 ** 30,
    savedBytes: 2 ** 30 - 2 ** 20,
    packs: 2,
    blobs: 40,
    unneededBytes: 0,
    blockBytes: 65_536,
  };
}

export function sampleReference(name: string): Reference {
  return {
    id: newId(),
    name,
    createdAt: '2026-01-01T00:00:00.000Z',
    backup: null,
    disks: [{ name: 'data', sizeBytes: 2 ** 30 }],
  };
}

export function sampleBackup(name: string): Backup {
  return {
    id: newId(),
    name,
    vm: { id: newId(), name: 'web1' },
    repository: { id: newId(), name: 'vault' },
    createdAt: '2026-01-01T00:00:00.000Z',
    host: 'node1',
    consistency: 'filesystem',
    reason: 'no hook in the guest said that it ran',
    frozenMs: 31,
    base: null,
    plan: null,
    lockedUntil: null,
    disks: [
      {
        name: 'data',
        sizeBytes: 2 ** 30,
        changedBytes: 2 ** 20,
        readBytes: 2 ** 20,
        auditBytes: 2 ** 20,
        storedBytes: 2 ** 19,
      },
    ],
    documents: ['vm.json'],
    verification: null,
    auditMs: 3,
    doubts: [],
  };
}

export function sampleChanges(): Changes {
  return {
    id: newId(),
    vmId: newId(),
    since: null,
    createdAt: '2026-01-01T00:00:00.000Z',
    expiresAt: '2026-01-01T01:00:00.000Z',
    consistency: 'crash',
    reason: 'the VM was off',
    frozenMs: 0,
    nbd: 'nbd+unix:///DISK?socket=/var/lib/corral/run/changes/nbd.sock',
    disks: [{ name: 'data', sizeBytes: 2 ** 30, tracked: true, changedBytes: 2048, extents: 1 }],
  };
}

export function sampleTracking(): Tracking {
  return { mode: 'changes', auditDays: 30, repositories: [] };
}

export function samplePlan(name: string): BackupPlan {
  return {
    id: newId(),
    name,
    createdAt: '2026-01-01T00:00:00.000Z',
    vms: null,
    repository: { id: newId(), name: 'vault' },
    schedule: { dailyAt: '22:30' },
    retention: { daily: 7 },
    consistency: null,
    bytesPerSecond: null,
    lastRunAt: null,
    nextRunAt: '2026-01-01T22:30:00.000Z',
  };
}
