/** The VM as the API shows and takes it. */
import { vmStates } from '@corral/core/vm-actions';
import { z } from 'zod';
import { Bytes, Id, Milliseconds, Name, NameOrId } from './common.ts';
import {
  Autostart,
  Autostop,
  BootDevice,
  CpuCount,
  DiskBus,
  DiskFormat,
  Firmware,
  KernelBoot,
  MemoryBytes,
  Network,
  PortModel,
  Profile,
  VmSettings,
} from './vm-settings.ts';

/** Settings plus what is: reported by the host, never believed from memory after a restart (invariant 3). */
export const Vm = VmSettings.omit({ format: true }).extend({
  state: z.enum(vmStates),
  /** Why it is in this state, when that was not asked for: an I/O error, a full volume, a QEMU that died. */
  stateReason: z.string().nullable(),
  pid: z.int().nullable().describe("QEMU's process"),
  accelerator: z.enum(['kvm', 'tcg']).nullable().describe('of the running QEMU'),
  startedAt: z.iso.datetime().nullable(),
  /** Settings that the running QEMU does not have yet: they hold from the next start. */
  pendingRestart: z.array(z.string()),
  /** The operation under way on this VM. */
  operationId: Id.nullable(),
});

export const DiskSource = z
  .strictObject({
    name: Name.max(20),
    sizeBytes: Bytes.min(1).optional().describe('of a blank disk, or to enlarge a copied one'),
    format: DiskFormat.optional(),
    filesystem: z
      .literal('ext4')
      .optional()
      .describe('formatted by the host; the micro guest mounts it at /mnt/NAME'),
    from: z
      .string()
      .startsWith('/')
      .max(4096)
      .optional()
      .describe('path of a disk file on the host to copy from: raw, qcow2, VHD or VHDX'),
    volume: NameOrId.optional().describe('where its file lies; default: where the VM is at home'),
    device: z.string().startsWith('/dev/').max(4096).optional().describe('pass-through block device'),
    bus: DiskBus.optional(),
  })
  .describe('a disk to make or to attach');

export const PortSource = z.strictObject({
  name: Name.max(15).optional(),
  network: Network,
  model: PortModel.optional(),
});

/** Cloud-init seed (NoCloud) for images that run cloud-init. */
export const SeedSource = z.strictObject({
  hostname: z
    .string()
    .regex(
      /^[A-Za-z0-9]([A-Za-z0-9-]{0,62})$/,
      'must be letters, digits and "-", and begin with a letter or digit',
    )
    .optional(),
  sshKeys: z.array(z.string().max(16_384)).max(32).optional(),
  userData: z.string().max(65_536).optional(),
});

export const VmCreate = z.strictObject({
  name: Name,
  image: NameOrId.optional(),
  volume: NameOrId.optional().describe('where its folder and disks lie; default: the data directory'),
  linked: z.boolean().default(false).describe('a differencing disk on the image instead of a copy'),
  profile: Profile.optional().describe('default: that of the image, else linux'),
  cpus: CpuCount.default(1),
  memoryBytes: MemoryBytes.default(256 * 2 ** 20),
  firmware: Firmware.optional(),
  secureBoot: z.boolean().optional(),
  tpm: z.boolean().optional(),
  bootOrder: z.array(BootDevice).max(32).optional(),
  kernel: KernelBoot.optional(),
  iso: z.string().min(1).max(4096).optional(),
  seed: SeedSource.optional(),
  disks: z.array(DiskSource).max(63).default([]),
  keepCheckpoints: z
    .boolean()
    .default(false)
    .describe(
      'all disks come from files with parents, as many for each: they are copied as chains, and each state below the newest becomes a checkpoint',
    ),
  ports: z.array(PortSource).max(16).optional().describe('default: one on the user-mode network'),
  autostart: Autostart.optional(),
  autostop: Autostop.optional(),
  start: z.boolean().default(false),
});

/** RFC 7396 merge patch: what is absent stays, null takes away. */
export const VmPatch = z.strictObject({
  name: Name.optional(),
  cpus: CpuCount.optional(),
  memoryBytes: MemoryBytes.optional(),
  firmware: Firmware.optional(),
  secureBoot: z.boolean().optional(),
  tpm: z.boolean().optional(),
  bootOrder: z.array(BootDevice).max(32).optional(),
  kernel: KernelBoot.nullable().optional(),
  iso: z.string().min(1).max(4096).nullable().optional(),
  autostart: Autostart.nullable().optional(),
  autostop: Autostop.optional(),
});

export const VmClone = z.strictObject({
  name: Name,
  volume: NameOrId.optional().describe(
    'where its folder and all of its disks lie; default: where those of the original lie',
  ),
  start: z.boolean().default(false),
});

export const VmShutdown = z.strictObject({
  limitMs: Milliseconds.max(3_600_000).default(120_000).describe('how long the guest may take'),
  /** After the limit: fail and leave it running, or turn it off. */
  force: z.boolean().default(false),
});

export type Vm = z.infer<typeof Vm>;
export type VmCreate = z.infer<typeof VmCreate>;
export type VmPatch = z.infer<typeof VmPatch>;
export type VmClone = z.infer<typeof VmClone>;
export type VmShutdown = z.infer<typeof VmShutdown>;
export const DiskResize = z.strictObject({
  sizeBytes: Bytes.min(1).multipleOf(512).describe('in bytes, a multiple of 512; larger than before'),
});

export type DiskResize = z.infer<typeof DiskResize>;
export type DiskSource = z.infer<typeof DiskSource>;
export type PortSource = z.infer<typeof PortSource>;
export type SeedSource = z.infer<typeof SeedSource>;
