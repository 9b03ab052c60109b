/**
 * `vm.json`, beside the disks: the settings from which the VM can be registered on another host
 * (docs/formats/vm-settings.md). Written whole under another name, synced and renamed, so that a reader or a crash
 * finds the old or the new file, never half of one.
 */
import { readFile } from 'node:fs/promises';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { vmErrors } from '../errors.ts';
import { writeWhole } from '../storage/whole-files.ts';

export async function writeSettingsFile(path: string, settings: VmSettings): Promise<void> {
  await writeWhole(path, `${JSON.stringify(settings, null, 2)}\n`, 0o600);
}

/** @throws vm.settings-damaged */
export async function readSettingsFile(path: string): Promise<VmSettings> {
  try {
    return VmSettings.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw vmErrors['settings-damaged']({ path, reason: (cause as Error).message }, { cause });
  }
}
