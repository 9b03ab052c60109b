/** What an administrator may choose of change tracking, per VM. Key: `backup-tracking/<vm id>`. */
import { TrackingMode } from '@corral/api/schemas/tracking';
import type { Store } from '@corral/store/store';
import { z } from 'zod';

export const TrackingSettings = z.strictObject({
  mode: TrackingMode,
  /** Within so many days the audit proves every byte of a disk. */
  auditDays: z.int(),
});
export type TrackingSettings = z.infer<typeof TrackingSettings>;

const defaults: TrackingSettings = { mode: 'changes', auditDays: 30 };

export const trackingSettingsKey = (vmId: string): string => `backup-tracking/${vmId}`;

export async function readTrackingSettings(store: Store, vmId: string): Promise<TrackingSettings> {
  const entry = await store.get(trackingSettingsKey(vmId));
  return entry ? TrackingSettings.parse(JSON.parse(entry.value)) : defaults;
}

export async function writeTrackingSettings(
  store: Store,
  vmId: string,
  settings: TrackingSettings,
): Promise<void> {
  await store.transact({
    then: [{ put: trackingSettingsKey(vmId), value: JSON.stringify(settings) }],
  });
}
