/**
 * `volume check`: what lies on a volume, compared with what the VMs of this host have there. Our own parser looks at
 * each header; nothing is changed.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { VolumeCheck, VolumeFinding } from '@corral/api/schemas/volume';
import { isCorralError } from '@corral/core/errors';
import { openLayer } from '@corral/disk/drivers';
import type { VmRecord } from '../vm/vm-record.ts';
import { diskPlaces, disksFolder, realPlace, vmsFolder, volumeOf } from './placement.ts';
import type { VolumeRecord } from './volume-record.ts';
import type { Volumes } from './volumes.ts';

/**
 * Knows more of the files of a VM than its settings say: layers of checkpoints, and whether a sealed layer is as it was
 * left. Paths are absolute, with the link to the VM's home followed.
 */
export interface VmInspector {
  /** Files that belong to the VM and stand in no disk of its settings. */
  filesOf(vm: VmRecord): Promise<readonly string[]>;
  /** What was moved, cut or edited from outside. */
  findings(vm: VmRecord, signal: AbortSignal): Promise<readonly VolumeFinding[]>;
}

export interface CheckVolumeOptions {
  readonly volumes: Volumes;
  readonly volume: VolumeRecord;
  readonly vms: readonly VmRecord[];
  /** Id of the one VM to look at. */
  readonly only: string | null;
  readonly inspectors: readonly VmInspector[];
  readonly signal: AbortSignal;
}

interface DiskFile {
  readonly vm: VmRecord;
  readonly disk: string;
  readonly path: string;
  readonly format: 'qcow2' | 'raw';
  /** As the guest sees it; null for a layer below, which may have been smaller. */
  readonly sizeBytes: number | null;
}

/** @throws volume.unavailable when it is not there. One of another owner is looked at: reading harms nobody. */
export async function checkVolume(options: CheckVolumeOptions): Promise<VolumeCheck> {
  const { volumes, volume, vms, only, inspectors, signal } = options;
  const { state, problem } = await volumes.standing(volume);
  if (problem && state === 'missing') throw problem;
  const chosen = vms.filter(({ settings }) => only === null || settings.id === only);
  const files = await filesOn(options, chosen);
  const findings: VolumeFinding[] = [];
  for (const file of files) {
    signal.throwIfAborted();
    const finding = await checkFile(file, signal);
    if (finding) findings.push(finding);
  }
  for (const vm of chosen) {
    for (const inspector of inspectors) {
      const found = await inspector.findings(vm, signal);
      const records = await volumes.records.list();
      const said = new Set(findings.map(({ path }) => path));
      findings.push(
        ...found.filter(({ path }) => !said.has(path) && volumeOf(records, path)?.id === volume.id),
      );
    }
  }
  findings.push(...(await orphans(options)));
  return {
    volume: volume.name,
    checkedAt: new Date().toISOString(),
    ok: findings.every(({ severity }) => severity !== 'error'),
    vms: new Set(files.map(({ vm }) => vm.settings.id)).size,
    files: files.length,
    findings,
  };
}

async function filesOn(
  { volumes, volume }: CheckVolumeOptions,
  vms: readonly VmRecord[],
): Promise<DiskFile[]> {
  const records = await volumes.records.list();
  const found = new Map<string, DiskFile>();
  for (const vm of vms) {
    for (const { disk, path, format, top } of await diskPlaces(volumes.directory, vm.settings)) {
      if (volumeOf(records, path)?.id !== volume.id || found.has(path)) continue;
      const sizeBytes = top ? vm.settings.disks.find(({ name }) => name === disk)!.sizeBytes : null;
      found.set(path, { vm, disk, path, format, sizeBytes });
    }
  }
  return [...found.values()];
}

async function checkFile(file: DiskFile, signal: AbortSignal): Promise<VolumeFinding | null> {
  const { path, disk, vm } = file;
  const place = { path, disk, vm: vm.settings.name, severity: 'error' } as const;
  try {
    await using layer = await openLayer(path, { readOnly: true, format: file.format, signal });
    const { sizeBytes } = layer.info;
    if (file.sizeBytes === null || sizeBytes === file.sizeBytes) return null;
    const detail = `The disk is ${sizeBytes} bytes, the settings say ${file.sizeBytes}.`;
    return { ...place, problem: 'altered', detail };
  } catch (cause) {
    if (!isCorralError(cause)) throw cause;
    const problem = cause.code === 'disk.not-found' ? 'missing' : 'damaged';
    return { ...place, problem, detail: cause.message };
  }
}

/** What each folder of a VM holds beside disks (docs/formats/data-directory.md). */
const otherNames = new Set([
  'vm.json',
  'disks',
  'boot',
  'firmware-variables.fd',
  'tpm',
  'log',
  'checkpoints',
  'changes',
]);

async function orphans(options: CheckVolumeOptions): Promise<VolumeFinding[]> {
  const folders = new Set([vmsFolder(options.volume), disksFolder(options.volume)]);
  return (await Promise.all([...folders].map((folder) => orphansIn(folder, options)))).flat();
}

async function orphansIn(folder: string, options: CheckVolumeOptions): Promise<VolumeFinding[]> {
  const { volumes, vms, only, inspectors } = options;
  const findings: VolumeFinding[] = [];
  for (const id of await readFolder(folder)) {
    if (only !== null && id !== only) continue;
    const vm = vms.find(({ settings }) => settings.id === id);
    const path = join(folder, id);
    // The link to a home that is on another volume.
    if ((await realPlace(volumes.directory, path)) !== path) continue;
    if (!vm) {
      const detail = 'It belongs to no VM of this host: register it, or move it away.';
      findings.push({ problem: 'orphan', severity: 'note', path, vm: null, disk: null, detail });
      continue;
    }
    const known = new Set((await diskPlaces(volumes.directory, vm.settings)).map((file) => file.path));
    for (const inspector of inspectors) for (const file of await inspector.filesOf(vm)) known.add(file);
    const names = (await readFolder(path)).filter(
      (name) => !otherNames.has(name) && !(name === 'saved-memory' && vm.saved !== null),
    );
    const disks = (await readFolder(join(path, 'disks'))).map((name) => `disks/${name}`);
    for (const name of [...names, ...disks]) {
      const file = join(path, name);
      if (known.has(file)) continue;
      const detail = `No disk of VM "${vm.settings.name}" needs it.`;
      const { name: vmName } = vm.settings;
      findings.push({ problem: 'orphan', severity: 'note', path: file, vm: vmName, disk: null, detail });
    }
  }
  return findings;
}

async function readFolder(path: string): Promise<string[]> {
  try {
    return (await stat(path)).isDirectory() ? (await readdir(path)).sort() : [];
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw cause;
  }
}
