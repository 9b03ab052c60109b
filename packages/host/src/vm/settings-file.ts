/**
 * `vm.json`, beside the disks: the settings from which the VM can be registered on another host
 * (docs/formats/vm-settings.md). Written whole under another name, synced and renamed, so that a reader or a crash
 * finds the old or the new file, never half of one.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { vmErrors } from '../errors.ts';

export async function writeSettingsFile(path: string, settings: VmSettings): Promise<void> {
  await writeFileAtomically(path, `${JSON.stringify(settings, null, 2)}\n`, 0o600);
}

/** @throws vm.settings-damaged */
export async function readSettingsFile(path: string): Promise<VmSettings> {
  try {
    return VmSettings.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw vmErrors['settings-damaged']({ path, reason: (cause as Error).message }, { cause });
  }
}

/** Durable when it returns: file and folder are synced. */
export async function writeFileAtomically(path: string, content: string, mode: number): Promise<void> {
  const next = `${path}.next`;
  {
    await using file = await open(next, 'w', mode);
    await file.writeFile(content);
    await file.sync();
  }
  await rename(next, path);
  await syncFolder(dirname(path));
}

export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}
