/**
 * What a backup says of its machine: settings, firmware variables, TPM state, files that it boots from. A repository may
 * be another's: every name that becomes a path is looked at first.
 */
import { VmSettings } from '@corral/api/schemas/vm-settings';
import type { HeldPoint } from '@corral/backup/point/held-point';
import type { Point } from '@corral/backup/point/point';
import { bootPrefix, firmwareDocument, settingsDocument, tpmPrefix } from '../backup/documents.ts';
import { restoreErrors } from './errors.ts';

/** A file of the VM's folder, by its path in there. */
export interface MachineFile {
  readonly path: string;
  readonly document: string;
  /** `boot`: read by the VM's user alone; `state`: its own, written to. */
  readonly kind: 'boot' | 'state';
}

/** No separator, no leading dot: it stays in the folder that it is put in. */
const plainName = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/;

/** Where the documents of a point go in the folder of a VM; what Corral does not know is left out. Pure. */
export function machineFiles({ documents }: Pick<Point, 'documents'>): MachineFile[] {
  const files: MachineFile[] = [];
  for (const { name: document } of documents) {
    const file = machineFile(document);
    if (file && files.every(({ path }) => path !== file.path)) files.push(file);
  }
  return files;
}

function machineFile(document: string): MachineFile | null {
  if (document === firmwareDocument) return { path: firmwareDocument, document, kind: 'state' };
  for (const [prefix, folder, kind] of [
    [tpmPrefix, 'tpm', 'state'],
    [bootPrefix, 'boot', 'boot'],
  ] as const) {
    const name = document.slice(prefix.length);
    if (document.startsWith(prefix) && plainName.test(name))
      return { path: `${folder}/${name}`, document, kind };
  }
  return null;
}

/** The settings as they were when the backup was made. @throws restore.no-settings */
export async function savedSettings(held: HeldPoint, signal: AbortSignal): Promise<VmSettings> {
  const { name, documents } = held.point;
  const unusable = (reason: string, cause?: unknown): Error =>
    restoreErrors['no-settings']({ backup: name, reason }, { cause });
  if (!documents.some((document) => document.name === settingsDocument))
    throw unusable(`it has no ${settingsDocument}`);
  const content = await held.document(settingsDocument, signal);
  let settings: VmSettings;
  try {
    settings = VmSettings.parse(JSON.parse(content.toString('utf8')));
  } catch (cause) {
    throw unusable(`its ${settingsDocument} is not in order`, cause);
  }
  const names = settings.disks.map((disk) => disk.name);
  const twice = names.find((each, index) => names.indexOf(each) !== index);
  if (twice !== undefined) throw unusable(`it names disk "${twice}" twice`);
  return settings;
}
