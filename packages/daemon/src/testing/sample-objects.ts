/** Objects of the API for tests, whole and valid. */
import type { Vm } from '@corral/api/schemas/vm';
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
