/**
 * From what was asked for to the settings of a VM and how its files come into being. Pure: ids, addresses, the time
 * and what is known of images and files come in, so that the operation which follows has no choice left.
 */
import type { DiskSource, PortSource, VmCreate } from '@corral/api/schemas/vm';
import {
  type DiskSettings,
  type LayerSeal,
  type PortSettings,
  type Profile,
  slotCount,
  type VmSettings,
} from '@corral/api/schemas/vm-settings';
import { vmErrors } from '../errors.ts';
import type { DiskMaking } from './disk-files.ts';
import { type KeptCheckpoint, keepChains, type SourceLayer, wholeSectors } from './plan-kept-chains.ts';
import { sataDiskCount } from './qemu-devices.ts';
import { diskPathOn } from './vm-folders.ts';

type SourceFormat = Extract<DiskMaking, { kind: 'import' }>['sourceFormat'];

/** An image as the planner needs it. Paths are absolute. */
export type ImageFacts = { readonly id: string; readonly profile: Profile } & (
  | { readonly kind: 'kernel'; readonly kernel: string; readonly initrd: string; readonly cmdline: string }
  | {
      readonly kind: 'disk';
      readonly path: string;
      readonly format: 'qcow2' | 'raw';
      readonly sizeBytes: number;
      readonly seal: LayerSeal;
    }
);

/** A file or device that a disk is made from: looked at before (invariant 5). */
export interface SourceFacts {
  readonly format: SourceFormat;
  readonly sizeBytes: number;
  /** Of a file: itself and those it stands on, topmost first. */
  readonly layers?: readonly SourceLayer[];
}

export interface PlanFacts {
  readonly newId: () => string;
  readonly newMac: () => string;
  readonly now: string;
  readonly version: VmSettings['version'];
  readonly image: ImageFacts | null;
  /** By path, of each `from` and `device` that was asked for. */
  readonly sources: ReadonlyMap<string, SourceFacts>;
  readonly hasSeed: boolean;
  readonly volumes: PlacedVolumes;
}

/**
 * By the name that was asked for: where single disks of VMs are on a volume, or null for the one that the VM itself is
 * at home on.
 */
export type PlacedVolumes = ReadonlyMap<string, string | null>;

export interface VmPlan {
  readonly settings: VmSettings;
  readonly makings: Record<string, DiskMaking>;
  readonly copies: { source: string; target: string }[];
  /** Oldest first: the states of the files that its disks come from, if they are kept. */
  readonly checkpoints: KeptCheckpoint[];
}

export interface DiskPlan {
  readonly disk: DiskSettings;
  readonly making: DiskMaking;
}

/** The name of the disk that is made from the image. */
export const imageDiskName = 'root';

/**
 * @throws vm.bad-disk, vm.disk-exists, vm.port-exists, vm.no-slot, vm.bus-full, vm.bad-boot-device,
 * vm.nothing-to-keep, vm.chains-differ
 */
export function planVm(request: VmCreate, facts: PlanFacts): VmPlan {
  const profile = request.profile ?? facts.image?.profile ?? 'linux';
  const settings = baseSettings(request, profile, facts);
  const makings: Record<string, DiskMaking> = {};
  const sources: DiskSource[] = [...imageDisk(request, facts), ...request.disks];
  for (const source of sources) {
    const { disk, making } = planDisk(settings, source, facts);
    settings.disks.push(disk);
    makings[disk.name] = making;
  }
  for (const source of request.ports ?? [{ network: 'user' }])
    settings.ports.push(planPort(settings, source, facts));
  requireFirmware(settings);
  settings.bootOrder = request.bootOrder ?? defaultBootOrder(settings);
  checkBootOrder(settings);
  const plan = { settings, makings, copies: kernelCopies(facts.image), checkpoints: [] };
  return request.keepCheckpoints ? keepChains(plan, facts) : plan;
}

function baseSettings(request: VmCreate, profile: Profile, facts: PlanFacts): VmSettings {
  const windows = profile === 'windows';
  return {
    format: 'corral-vm/1',
    id: facts.newId(),
    name: request.name,
    createdAt: facts.now,
    generation: 1,
    generationId: facts.newId(),
    profile,
    version: facts.version,
    cpus: request.cpus,
    memoryBytes: request.memoryBytes,
    firmware: request.firmware ?? (windows ? 'uefi' : 'bios'),
    secureBoot: request.secureBoot ?? (windows && request.firmware !== 'bios'),
    tpm: request.tpm ?? windows,
    bootOrder: [],
    kernel: request.kernel ?? kernelOf(facts.image),
    iso: request.iso ?? null,
    seed: facts.hasSeed ? 'boot/seed.iso' : null,
    image: facts.image && { id: facts.image.id, linked: request.linked },
    autostart: request.autostart ?? null,
    autostop: request.autostop ?? 'save',
    disks: [],
    ports: [],
  };
}

function kernelOf(image: ImageFacts | null): VmSettings['kernel'] {
  if (image?.kind !== 'kernel') return null;
  return { kernel: 'boot/vmlinuz', initrd: 'boot/initrd', cmdline: image.cmdline };
}

function kernelCopies(image: ImageFacts | null): VmPlan['copies'] {
  if (image?.kind !== 'kernel') return [];
  return [
    { source: image.kernel, target: 'boot/vmlinuz' },
    { source: image.initrd, target: 'boot/initrd' },
  ];
}

function imageDisk(request: VmCreate, facts: PlanFacts): DiskSource[] {
  return facts.image?.kind === 'disk' && !request.disks.some((disk) => disk.name === imageDiskName)
    ? [{ name: imageDiskName }]
    : [];
}

/** One more disk for a VM, which may have some already. */
export function planDisk(
  vm: VmSettings,
  source: DiskSource,
  facts: Pick<PlanFacts, 'newId' | 'sources' | 'image' | 'volumes'>,
): DiskPlan {
  const { name } = source;
  if (vm.disks.some((disk) => disk.name === name)) throw vmErrors['disk-exists']({ vm: vm.name, disk: name });
  const content = diskContent(vm, source, facts);
  const bus = source.bus ?? (vm.profile === 'windows' ? 'sata' : 'virtio');
  if (bus === 'sata' && vm.disks.filter((disk) => disk.bus === 'sata').length >= sataDiskCount) {
    throw vmErrors['bus-full']({ vm: vm.name, bus, max: sataDiskCount });
  }
  const disk: DiskSettings = {
    id: facts.newId(),
    name,
    bus,
    format: content.format,
    layerId: facts.newId(),
    path: source.device ?? diskPath(vm, source, content.format, facts.volumes),
    sizeBytes: content.sizeBytes,
    parents: content.parents,
    slot: bus === 'virtio' ? freeSlot(vm) : null,
    passThrough: source.device !== undefined,
  };
  return { disk, making: content.making };
}

function diskPath(vm: VmSettings, source: DiskSource, format: string, volumes: PlacedVolumes): string {
  const fileName = `${source.name}.${format}`;
  const folder = source.volume === undefined ? null : volumes.get(source.volume);
  return folder ? diskPathOn(folder, vm.id, fileName) : `disks/${fileName}`;
}

interface DiskContent {
  readonly format: 'qcow2' | 'raw';
  readonly sizeBytes: number;
  readonly parents: DiskSettings['parents'];
  readonly making: DiskMaking;
}

function diskContent(
  vm: VmSettings,
  source: DiskSource,
  facts: Pick<PlanFacts, 'sources' | 'image'>,
): DiskContent {
  const given = [source.from, source.device, source.filesystem].filter((value) => value !== undefined);
  const bad = (reason: string): Error => vmErrors['bad-disk']({ disk: source.name, reason });
  if (given.length > 1) throw bad('it can have one of a source file, a device and a file system.');
  if (source.device !== undefined) {
    const { sizeBytes } = facts.sources.get(source.device)!;
    return { format: 'raw', sizeBytes, parents: [], making: { kind: 'device' } };
  }
  if (source.from !== undefined) {
    const found = facts.sources.get(source.from)!;
    const parents = (found.layers ?? []).slice(1).map(({ path }) => path);
    const making = { kind: 'import', source: source.from, sourceFormat: found.format, parents } as const;
    return copied(source, found, making, bad);
  }
  if (source.name === imageDiskName && facts.image?.kind === 'disk') {
    const { path, format } = facts.image;
    return vm.image?.linked
      ? linked(source, facts.image, bad)
      : copied(source, facts.image, { kind: 'copy', source: path, sourceFormat: format }, bad);
  }
  if (source.sizeBytes === undefined) throw bad('it needs a size, such as 10GiB.');
  const sizeBytes = wholeSectors(source.sizeBytes);
  return {
    format: source.format ?? 'qcow2',
    sizeBytes,
    parents: [],
    making: { kind: source.filesystem ?? 'blank' },
  };
}

type Original = Pick<SourceFacts, 'sizeBytes'>;

function copied(
  source: DiskSource,
  original: Original,
  making: DiskMaking,
  bad: (reason: string) => Error,
): DiskContent {
  return {
    format: source.format ?? 'qcow2',
    sizeBytes: enlarged(source, original, bad),
    parents: [],
    making,
  };
}

function linked(
  source: DiskSource,
  original: Extract<ImageFacts, { kind: 'disk' }>,
  bad: (reason: string) => Error,
): DiskContent {
  if (source.format === 'raw') throw bad('a differencing disk is qcow2, not raw.');
  return {
    format: 'qcow2',
    sizeBytes: enlarged(source, original, bad),
    // The image's own id names its state: all VMs that are linked to it stand on the same.
    parents: [
      { id: original.id, format: original.format, path: original.path, shared: true, seal: original.seal },
    ],
    making: { kind: 'linked', base: original.path, baseFormat: original.format },
  };
}

function enlarged(source: DiskSource, original: Original, bad: (reason: string) => Error): number {
  const sizeBytes = wholeSectors(source.sizeBytes ?? original.sizeBytes);
  if (sizeBytes >= original.sizeBytes) return sizeBytes;
  throw bad(`${sizeBytes} bytes are less than the ${original.sizeBytes} bytes of what it is made from.`);
}

export function planPort(
  vm: VmSettings,
  source: PortSource,
  facts: Pick<PlanFacts, 'newId' | 'newMac'>,
): PortSettings {
  const name = source.name ?? freePortName(vm);
  if (vm.ports.some((port) => port.name === name)) throw vmErrors['port-exists']({ vm: vm.name, port: name });
  return {
    id: facts.newId(),
    name,
    network: source.network,
    model: source.model ?? (vm.profile === 'windows' ? 'e1000' : 'virtio'),
    mac: facts.newMac(),
    slot: freeSlot(vm),
  };
}

function freePortName(vm: VmSettings): string {
  let number = 0;
  while (vm.ports.some((port) => port.name === `net${number}`)) number += 1;
  return `net${number}`;
}

/** @throws vm.no-slot */
function freeSlot(vm: VmSettings): number {
  const taken = new Set([...vm.disks, ...vm.ports].map(({ slot }) => slot));
  for (let slot = 0; slot < slotCount; slot += 1) if (!taken.has(slot)) return slot;
  throw vmErrors['no-slot']({ vm: vm.name, slots: slotCount });
}

/** The CD first, so that a system can be installed; with a kernel given, the firmware boots nothing. */
function defaultBootOrder(vm: VmSettings): string[] {
  return [...(vm.iso ? ['cdrom'] : []), ...vm.disks.map((disk) => `disk:${disk.name}`)];
}

/** @throws vm.needs-uefi */
export function requireFirmware({ name, firmware, secureBoot }: VmSettings): void {
  if (secureBoot && firmware === 'bios') throw vmErrors['needs-uefi']({ vm: name });
}

/** @throws vm.bad-boot-device */
export function checkBootOrder(vm: VmSettings): void {
  const known = [
    ...vm.disks.map((disk) => `disk:${disk.name}`),
    ...vm.ports.map((port) => `port:${port.name}`),
    ...(vm.iso ? ['cdrom'] : []),
  ];
  const unknown = vm.bootOrder.find((device) => !known.includes(device));
  if (unknown !== undefined) throw vmErrors['bad-boot-device']({ device: unknown, known });
}
