/** Objects of the API for tests: whole, so that the contract's schemas accept them. */
import type { Backup } from '@corral/api/schemas/backup';
import type { Checkpoint } from '@corral/api/schemas/checkpoint';
import type { Event } from '@corral/api/schemas/event';
import type { Image } from '@corral/api/schemas/image';
import type { Operation } from '@corral/api/schemas/operation';
import type { Vm } from '@corral/api/schemas/vm';
import type { DiskSettings, PortSettings } from '@corral/api/schemas/vm-settings';

/** A UUID with `digit` in all its places. */
export function idOf(digit: string): string {
  return '00000000-0000-4000-8000-000000000000'.replaceAll('0', digit);
}

const createdAt = '2025-03-01T12:00:00.000Z';

export function sampleDisk(change: Partial<DiskSettings> = {}): DiskSettings {
  return {
    id: idOf('d'),
    name: 'root',
    bus: 'virtio',
    format: 'qcow2',
    path: 'disks/root.qcow2',
    sizeBytes: 2 ** 30,
    layerId: '00000000-0000-4000-8000-0000000000a1',
    parents: [],
    slot: 0,
    passThrough: false,
    ...change,
  };
}

export function samplePort(change: Partial<PortSettings> = {}): PortSettings {
  return {
    id: idOf('e'),
    name: 'nic0',
    network: 'user',
    model: 'virtio',
    mac: '52:54:00:00:00:01',
    slot: 1,
    ...change,
  };
}

export function sampleVm(change: Partial<Vm> = {}): Vm {
  return {
    id: idOf('a'),
    name: 'web1',
    createdAt,
    generation: 1,
    generationId: idOf('b'),
    profile: 'micro',
    version: { machineType: 'pc-q35-7.2', cpuModel: 'max' },
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
    disks: [sampleDisk()],
    ports: [samplePort()],
    state: 'running',
    stateReason: null,
    pid: 4711,
    accelerator: 'tcg',
    startedAt: createdAt,
    pendingRestart: [],
    operationId: null,
    ...change,
  };
}

export function sampleOperation(change: Partial<Operation> = {}): Operation {
  return {
    id: idOf('c'),
    name: 'Start VM web1',
    kind: 'vm.start',
    state: 'running',
    targets: [`vm/${idOf('a')}`],
    node: 'node1',
    requestedBy: null,
    createdAt,
    startedAt: createdAt,
    finishedAt: null,
    steps: [
      { name: 'prepare', state: 'done', attempts: 1 },
      { name: 'launch', state: 'running', attempts: 1 },
    ],
    progress: null,
    cancellable: true,
    error: null,
    undoError: null,
    output: null,
    revision: 1,
    ...change,
  };
}

/** The same operation when it has succeeded. */
export function doneOperation(change: Partial<Operation> = {}): Operation {
  return sampleOperation({
    state: 'succeeded',
    finishedAt: createdAt,
    steps: [
      { name: 'prepare', state: 'done', attempts: 1 },
      { name: 'launch', state: 'done', attempts: 1 },
    ],
    output: { vmId: idOf('a') },
    revision: 9,
    ...change,
  });
}

export function sampleImage(change: Partial<Image> = {}): Image {
  return {
    id: idOf('f'),
    name: 'micro',
    createdAt,
    kind: 'kernel',
    format: null,
    sizeBytes: 12 * 2 ** 20,
    storedBytes: 12 * 2 ** 20,
    sha256: null,
    profile: 'micro',
    source: 'built from Debian packages',
    usedBy: [],
    ...change,
  };
}

export function sampleEvent(seq: number, change: Partial<Event> = {}): Event {
  return {
    seq,
    id: idOf('7'),
    name: 'A VM started',
    type: 'vm.started',
    severity: 'info',
    createdAt,
    subject: { kind: 'vm', id: idOf('a'), name: 'web1' },
    node: 'node1',
    message: 'VM web1 has started.',
    data: {},
    ...change,
  };
}

export function sampleCheckpoint(change: Partial<Checkpoint> = {}): Checkpoint {
  return {
    id: idOf('c'),
    name: 'before',
    vmId: idOf('a'),
    parentId: null,
    type: 'standard',
    askedType: 'standard',
    consistency: 'memory',
    reason: null,
    state: 'running',
    createdAt,
    pauseMs: 9.5,
    sizeBytes: 2 ** 20,
    changedBytes: 4096,
    current: false,
    ...change,
  };
}

export function sampleBackup(): Backup {
  return {
    id: idOf('1'),
    name: 'nightly',
    vm: { id: idOf('2'), name: 'web1' },
    repository: { id: idOf('3'), name: 'vault' },
    createdAt: '2026-01-02T03:04:05.000Z',
    host: 'one',
    consistency: 'filesystem',
    reason: null,
    frozenMs: 30,
    base: null,
    plan: null,
    lockedUntil: null,
    disks: [],
    documents: [],
    verification: null,
    auditMs: 0,
    doubts: [],
  };
}
