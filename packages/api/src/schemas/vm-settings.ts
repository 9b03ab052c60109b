/**
 * The settings of a VM: what should be. They are kept in the store and, rewritten at each change, beside the VM's
 * disks in `vm.json`, from which the VM can be registered on another host (docs/formats/vm-settings.md).
 */
import { z } from 'zod';
import { Bytes, Id, MacAddress, Name, Timestamp } from './common.ts';

const MiB = 2 ** 20;
const GiB = 2 ** 30;

export const Profile = z.enum(['linux', 'windows', 'micro']).describe('what the guest system needs');
export const Firmware = z.enum(['bios', 'uefi']);
export const DiskFormat = z.enum(['qcow2', 'raw']);
export const DiskBus = z.enum(['virtio', 'sata']);
export const PortModel = z.enum(['virtio', 'e1000']);

/** `user` needs no privilege; `bridge:NAME` attaches to a bridge of the host. */
export const Network = z
  .string()
  .regex(/^(user|bridge:[A-Za-z0-9][A-Za-z0-9._-]{0,14})$/, 'must be user or bridge:NAME');

/** How many disks and ports together can be plugged in: one PCIe root port each. */
export const slotCount = 24;
export const Slot = z
  .int()
  .min(0)
  .max(slotCount - 1);

/** What the file of a sealed layer was like: whoever touched it since is found out (docs/design/0006-disk-chains.md). */
export const LayerSeal = z.strictObject({
  lengthBytes: Bytes,
  modifiedNs: z.string().regex(/^\d{1,20}$/),
});

/** A disk of a backup, which stands below a disk until its content is copied (docs/design/0011-restore.md). */
export const PointLayer = z.strictObject({
  /** The connection to the repository. */
  repositoryId: Id,
  pointId: Id,
  /** Its name in the backup. */
  disk: Name,
});

/** A sealed layer below the one that is written to. */
export const DiskLayer = z.strictObject({
  /** Names what the disk held when the layer was sealed, whatever file holds it now. */
  id: Id,
  format: DiskFormat,
  path: z.string().min(1).max(4096),
  /** Belongs to an image: read by several VMs, merged into by none. */
  shared: z.boolean(),
  /** Null while a merge writes to it, and of a backup. */
  seal: LayerSeal.nullable(),
  /** Not a file: `path` is the socket at which a process of Corral's serves the backup. */
  point: PointLayer.optional(),
});

export const DiskSettings = z.strictObject({
  id: Id,
  name: Name.max(20).describe('the serial number that the guest sees; virtio carries 20 characters'),
  bus: DiskBus,
  format: DiskFormat,
  /** Of the layer that is written to. */
  layerId: Id,
  /** Relative to the folder of `vm.json` when the file lies in it; absolute otherwise. */
  path: z.string().min(1).max(4096),
  sizeBytes: Bytes.min(1),
  /** The layers below, nearest first: the record decides what lies on what, not a header (invariant 9). */
  parents: z.array(DiskLayer).max(256),
  /** PCIe root port of a virtio device; a saved or migrated VM must find it where it was. Null on another bus. */
  slot: Slot.nullable(),
  passThrough: z.boolean().describe('a block device of the host; no checkpoints, no tracked backup'),
});

export const PortSettings = z.strictObject({
  id: Id,
  name: Name.max(15),
  network: Network,
  model: PortModel,
  mac: MacAddress,
  slot: Slot,
});

export const CpuCount = z.int().min(1).max(1024);
export const MemoryBytes = Bytes.min(16 * MiB, 'must be at least 16 MiB (16777216)')
  .max(16 * 1024 * GiB)
  .refine((bytes) => bytes % MiB === 0, 'must be a whole number of MiB');

/** Started with the host, lowest order first; the next order begins `delayMs` after this VM was started. */
export const Autostart = z.strictObject({
  order: z.int().min(0).max(9999),
  delayMs: z.int().min(0).max(3_600_000).default(0),
});

/** What the host does to the VM when the host itself shuts down. */
export const Autostop = z.enum(['save', 'shutdown', 'stop']);

export const BootDevice = z
  .string()
  .regex(/^(disk|port):[A-Za-z0-9][A-Za-z0-9._-]{0,62}$|^cdrom$/, 'must be disk:NAME, port:NAME or cdrom');

/** Direct kernel boot: files of an image, or of the host when an administrator names them. */
export const KernelBoot = z.strictObject({
  kernel: z.string().min(1).max(4096),
  initrd: z.string().min(1).max(4096).nullable(),
  cmdline: z.string().max(2048),
});

/** The VM version: what the guest sees of the machine, pinned when the VM is created (mission M8). */
export const VmVersion = z.strictObject({
  machineType: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,63}$/),
  cpuModel: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(,[a-z0-9_.+-]+(=[a-z0-9_.-]+)?)*$/),
});

export const VmSettings = z.strictObject({
  format: z.literal('corral-vm/1'),
  id: Id,
  name: Name,
  createdAt: Timestamp,
  /** Grows by one with each change; a host refuses an older one (invariant 3). */
  generation: z.int().min(1),
  /** Seen by the guest as vmgenid; changes on clone and on apply of a checkpoint. */
  generationId: Id,
  profile: Profile,
  version: VmVersion,
  cpus: CpuCount,
  memoryBytes: MemoryBytes,
  firmware: Firmware,
  secureBoot: z.boolean(),
  tpm: z.boolean(),
  bootOrder: z.array(BootDevice).max(32),
  kernel: KernelBoot.nullable(),
  iso: z.string().min(1).max(4096).nullable(),
  /** Cloud-init seed made by Corral, attached as a second CD. */
  seed: z.string().min(1).max(4096).nullable(),
  /** The image that the first disk or the kernel came from; kept from being deleted while `linked` or booted from. */
  image: z.strictObject({ id: Id, linked: z.boolean() }).nullable(),
  autostart: Autostart.nullable(),
  autostop: Autostop,
  disks: z.array(DiskSettings).max(64),
  ports: z.array(PortSettings).max(16),
});

export type VmSettings = z.infer<typeof VmSettings>;
export type LayerSeal = z.infer<typeof LayerSeal>;
export type DiskLayer = z.infer<typeof DiskLayer>;
export type DiskSettings = z.infer<typeof DiskSettings>;
export type PortSettings = z.infer<typeof PortSettings>;
export type Profile = z.infer<typeof Profile>;
export type Network = z.infer<typeof Network>;
