/** Files that a point keeps beside the disks, so that the VM can be put up again from the point alone. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { unlessAbsent } from '../storage/unless-absent.ts';
import type { VmHost } from '../vm/vm-host.ts';

export interface PointDocument {
  readonly name: string;
  readonly content: Buffer;
}

export const settingsDocument = 'vm.json';
export const firmwareDocument = 'firmware-variables.fd';
export const tpmPrefix = 'tpm/';
export const bootPrefix = 'boot/';

/** The settings as they were at the fork; the firmware's variables, the TPM's state and what it boots from as they are now. */
export async function documentsOf(host: VmHost, settings: VmSettings): Promise<PointDocument[]> {
  const paths = host.directory.vm(settings.id);
  const documents: PointDocument[] = [
    { name: settingsDocument, content: Buffer.from(`${JSON.stringify(settings, null, 2)}\n`) },
  ];
  const firmware = await unlessAbsent(readFile(paths.firmwareVariables), null);
  if (firmware) documents.push({ name: firmwareDocument, content: firmware });
  const folders = [
    [tpmPrefix, paths.tpm],
    [bootPrefix, paths.boot],
  ] as const;
  for (const [prefix, folder] of folders) {
    for (const name of await namesIn(folder)) {
      const content = await unlessAbsent(readFile(join(folder, name)), null);
      if (content && content.length > 0) documents.push({ name: `${prefix}${name}`, content });
    }
  }
  return documents;
}

async function namesIn(folder: string): Promise<string[]> {
  const entries = await unlessAbsent(readdir(folder, { withFileTypes: true }), []);
  return entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name);
}
