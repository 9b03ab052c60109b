/** Which settings the running QEMU does not have yet. Pure. */
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import type { VmRecord } from './vm-record.ts';

/** Settings that reach the guest only through QEMU's command line. */
const onlyAtStart = [
  'cpus',
  'memoryBytes',
  'firmware',
  'secureBoot',
  'tpm',
  'bootOrder',
  'kernel',
  'iso',
  'version',
  'profile',
] as const satisfies readonly (keyof VmSettings)[];

export function pendingRestart(record: VmRecord): string[] {
  const applied = record.process?.applied ?? record.saved?.applied;
  if (!applied) return [];
  return onlyAtStart.filter((key) => JSON.stringify(applied[key]) !== JSON.stringify(record.settings[key]));
}
