/** A VM for unit tests, with one of everything. */
import type { VmCreate } from '@corral/api/schemas/vm';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { type PlanFacts, planVm, type VmPlan } from '../vm/plan-vm.ts';

/** Ids and addresses that count up, so that a test can name them. */
export function countingFacts(overrides: Partial<PlanFacts> = {}): PlanFacts {
  let count = 0;
  const next = (): string => {
    count += 1;
    return String(count);
  };
  return {
    newId: () => `00000000-0000-4000-8000-${next().padStart(12, '0')}`,
    newMac: () => `52:54:00:00:00:${next().padStart(2, '0')}`,
    now: '2026-01-02T03:04:05.000Z',
    version: { machineType: 'pc-q35-7.2', cpuModel: 'Nehalem' },
    image: null,
    sources: new Map(),
    hasSeed: false,
    volumes: new Map(),
    ...overrides,
  };
}

export function request(overrides: Partial<VmCreate> = {}): VmCreate {
  return {
    name: 'web1',
    linked: false,
    cpus: 2,
    memoryBytes: 256 * 2 ** 20,
    disks: [{ name: 'data', sizeBytes: 2 ** 30 }],
    keepCheckpoints: false,
    start: false,
    ...overrides,
  };
}

export function samplePlan(overrides: Partial<VmCreate> = {}, facts: Partial<PlanFacts> = {}): VmPlan {
  return planVm(request(overrides), countingFacts(facts));
}

export function sampleVm(overrides: Partial<VmCreate> = {}): VmSettings {
  return samplePlan(overrides).settings;
}
