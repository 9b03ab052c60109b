import type { VmSettings } from '@corral/api/schemas/vm-settings';
import type { VmRecord } from '../vm-record.ts';

type Change = (settings: VmSettings) => Partial<VmSettings>;

/** What was hot-plugged is what should be and, while it runs, what QEMU has: both change, with one generation. */
export function withChangedSettings(record: VmRecord, change: Change): VmRecord {
  const { settings, process } = record;
  return {
    ...record,
    settings: { ...settings, ...change(settings), generation: settings.generation + 1 },
    process: process && { ...process, applied: { ...process.applied, ...change(process.applied) } },
  };
}
