/**
 * From settings to QEMU's command line. Pure: what the host has to say (accelerator, files, TAP devices) comes in.
 *
 * Addresses on the PCIe bus are given, never left to QEMU: a saved or migrated VM must find its devices where they
 * were, whatever was added meanwhile.
 */

import { slotCount, type VmSettings } from '@corral/api/schemas/vm-settings';
import type { LayerFile } from '../chain/layer-file.ts';
import type { VmPaths } from '../data-directory.ts';
import {
  type BlockdevOptions,
  type DeviceOptions,
  diskDeviceOptions,
  diskFileOptions,
  diskFormatOptions,
  type NetdevOptions,
  netdevOptions,
  parentBlockdevs,
  portDeviceOptions,
  rootPortId,
  sataPorts,
} from './qemu-devices.ts';

export interface FirmwareFiles {
  /** Read-only code, and the VM's own variables; null for BIOS. */
  readonly code: string;
  readonly variables: string;
  readonly needsSmm: boolean;
}

/** What the host contributes. All paths are as QEMU has to write them. */
export interface HostPart {
  readonly accelerator: 'kvm' | 'tcg';
  readonly dataRoot: string;
  readonly paths: VmPaths;
  readonly firmware: FirmwareFiles | null;
  /** Path of each disk, by name. */
  readonly diskFiles: ReadonlyMap<string, LayerFile>;
  /** Paths of the layers below each disk, nearest first, by the disk's name. */
  readonly parentFiles: ReadonlyMap<string, readonly LayerFile[]>;
  /** TAP device of each port on a bridge, by the port's name. */
  readonly taps: ReadonlyMap<string, string>;
  readonly kernel: { readonly kernel: string; readonly initrd: string | null } | null;
  /** Read-only CDs: number of the descriptor that QEMU inherits. */
  readonly isoFd: number | null;
  readonly seed: string | null;
  /** The VM comes from saved memory: wait for it on the migration socket. */
  readonly incoming: boolean;
}

export function qemuCommandLine(vm: VmSettings, host: HostPart): string[] {
  return [
    ...identity(vm, host),
    ...machine(vm, host),
    ...sandbox(),
    ...channels(host),
    ...platformDevices(vm),
    ...rootPorts(),
    ...firmware(vm, host),
    ...tpm(vm, host),
    ...disks(vm, host),
    ...cds(vm, host),
    ...ports(vm, host),
    ...boot(vm, host),
    ...(host.incoming ? ['-incoming', 'defer'] : []),
  ];
}

const json = (value: unknown): string => JSON.stringify(value);
const blockdev = (options: BlockdevOptions): string[] => ['-blockdev', json(options)];
const device = (options: DeviceOptions): string[] => ['-device', json(options)];

function identity(vm: VmSettings, host: HostPart): string[] {
  return [
    '-name',
    `guest=${vm.name},debug-threads=on`,
    '-uuid',
    vm.id,
    // One more folder to look for firmware in, which holds none and belongs to root: it tells whose process this is.
    '-L',
    `${host.dataRoot}/vms/${vm.id}`,
    '-nodefaults',
    '-no-user-config',
    '-S',
    '-display',
    'none',
    // A guest that shuts down leaves QEMU paused in 'shutdown': a daemon that was away can still tell it from a crash.
    '-action',
    'reboot=reset,shutdown=pause,panic=pause,watchdog=reset',
  ];
}

function machine(vm: VmSettings, host: HostPart): string[] {
  const smm = host.firmware?.needsSmm ? 'on' : 'off';
  const kvm = host.accelerator === 'kvm';
  const local = vm.profile === 'windows';
  return [
    '-machine',
    `${vm.version.machineType},smm=${smm},vmport=off,hpet=off,graphics=on`,
    '-accel',
    kvm ? 'kvm' : 'tcg,thread=multi',
    '-cpu',
    cpu(vm, kvm),
    '-smp',
    `cpus=${vm.cpus},sockets=1,cores=${vm.cpus},threads=1`,
    '-m',
    `size=${vm.memoryBytes / 2 ** 20}M`,
    '-rtc',
    `base=${local ? 'localtime' : 'utc'}${local ? ',driftfix=slew' : ''}`,
    ...(kvm ? ['-global', 'kvm-pit.lost_tick_policy=delay'] : []),
  ];
}

/** Microsoft's Hypervisor Top-Level Functional Specification; QEMU's documentation, "Hyper-V Enlightenments". */
const hyperVEnlightenments =
  'hv-relaxed,hv-vapic,hv-spinlocks=0x1fff,hv-vpindex,hv-runtime,hv-synic,hv-stimer,hv-time,hv-frequencies,hv-reset';

function cpu(vm: VmSettings, kvm: boolean): string {
  // Only KVM implements them; under TCG QEMU would refuse to start.
  return vm.profile === 'windows' && kvm
    ? `${vm.version.cpuModel},${hyperVEnlightenments}`
    : vm.version.cpuModel;
}

/** QEMU's documentation, "Security": what a guest that breaks out of QEMU meets first. */
function sandbox(): string[] {
  return ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'];
}

function channels(host: HostPart): string[] {
  const socket = (id: string, path: string): string[] => [
    '-chardev',
    `socket,id=${id},path=${path},server=on,wait=off`,
  ];
  return [
    ...socket('monitor', host.paths.qmpSocket),
    '-mon',
    'chardev=monitor,mode=control',
    ...socket('serial', host.paths.serialSocket),
    ...device({ driver: 'isa-serial', chardev: 'serial', id: 'serial0' }),
    ...socket('agent', host.paths.agentSocket),
    ...device({ driver: 'virtio-serial-pci', id: 'channels', bus: 'pcie.0', addr: '0x10' }),
    ...device({
      driver: 'virtserialport',
      id: 'agent',
      chardev: 'agent',
      bus: 'channels.0',
      nr: 1,
      name: 'org.qemu.guest_agent.0',
    }),
    '-vnc',
    `unix:${host.paths.vncSocket}`,
    ...device({ driver: 'VGA', id: 'display', bus: 'pcie.0', addr: '0x1' }),
  ];
}

function platformDevices(vm: VmSettings): string[] {
  const input =
    vm.profile === 'micro'
      ? []
      : [
          // A tablet gives absolute positions, without which a pointer over VNC drifts.
          ...device({ driver: 'qemu-xhci', id: 'usb', bus: 'pcie.0', addr: '0x13' }),
          ...device({ driver: 'usb-tablet', id: 'tablet', bus: 'usb.0' }),
        ];
  return [
    ...device({ driver: 'virtio-balloon-pci', id: 'balloon', bus: 'pcie.0', addr: '0x11' }),
    '-object',
    json({ 'qom-type': 'rng-random', id: 'entropy', filename: '/dev/urandom' }),
    ...device({ driver: 'virtio-rng-pci', id: 'rng', rng: 'entropy', bus: 'pcie.0', addr: '0x12' }),
    ...device({ driver: 'vmgenid', id: 'generation', guid: vm.generationId }),
    ...device({ driver: 'pvpanic', id: 'panic' }),
    ...input,
  ];
}

/** One PCIe root port per slot, eight to a device: each takes one disk or port, while the VM runs too. */
function rootPorts(): string[] {
  return Array.from({ length: slotCount }, (_, slot) =>
    device({
      driver: 'pcie-root-port',
      id: rootPortId(slot),
      bus: 'pcie.0',
      addr: `0x${(4 + Math.floor(slot / 8)).toString(16)}.${slot % 8}`,
      ...(slot % 8 === 0 ? { multifunction: true } : {}),
      chassis: slot + 1,
      port: slot,
      // No room for I/O ports: 24 of them would use up the 64 KiB there are (QEMU's docs/pcie.txt).
      'io-reserve': 0,
    }),
  ).flat();
}

function firmware(vm: VmSettings, host: HostPart): string[] {
  if (!host.firmware) return [];
  const { code, variables, needsSmm } = host.firmware;
  return [
    ...blockdev({ driver: 'file', 'node-name': 'firmware-code-file', filename: code, 'read-only': true }),
    ...blockdev({
      driver: 'raw',
      'node-name': 'firmware-code',
      file: 'firmware-code-file',
      'read-only': true,
    }),
    ...blockdev({ driver: 'file', 'node-name': 'firmware-variables-file', filename: variables }),
    ...blockdev({ driver: 'raw', 'node-name': 'firmware-variables', file: 'firmware-variables-file' }),
    '-machine',
    'pflash0=firmware-code,pflash1=firmware-variables',
    ...(vm.secureBoot && needsSmm
      ? [
          '-global',
          'driver=cfi.pflash01,property=secure,value=on',
          '-global',
          'driver=ICH9-LPC,property=disable_s3,value=1',
        ]
      : []),
  ];
}

function tpm(vm: VmSettings, host: HostPart): string[] {
  if (!vm.tpm) return [];
  return [
    '-chardev',
    `socket,id=tpm,path=${host.paths.tpmSocket}`,
    '-tpmdev',
    'emulator,id=tpm0,chardev=tpm',
    ...device({ driver: 'tpm-crb', id: 'tpm', tpmdev: 'tpm0' }),
  ];
}

function disks(vm: VmSettings, host: HostPart): string[] {
  const sata = sataPorts(vm.disks);
  return vm.disks.flatMap((disk) => {
    return [
      ...parentBlockdevs(disk, host.parentFiles.get(disk.name) ?? []).flatMap(blockdev),
      ...blockdev(diskFileOptions(disk, host.diskFiles.get(disk.name)!)),
      ...blockdev(diskFormatOptions(disk)),
      ...device(diskDeviceOptions(disk, sata.get(disk.name) ?? null, bootIndex(vm, `disk:${disk.name}`))),
    ];
  });
}

function cds(vm: VmSettings, host: HostPart): string[] {
  const iso =
    host.isoFd === null
      ? []
      : [
          // The file may be one that only root can read: QEMU gets the open file instead of a right to it.
          '-add-fd',
          `fd=${host.isoFd},set=1`,
          ...blockdev({
            driver: 'file',
            'node-name': 'iso-file',
            filename: '/dev/fdset/1',
            'read-only': true,
          }),
          ...blockdev({ driver: 'raw', 'node-name': 'iso', file: 'iso-file', 'read-only': true }),
          ...device({
            driver: 'ide-cd',
            id: 'cdrom',
            bus: 'ide.0',
            drive: 'iso',
            ...bootIndexOption(vm, 'cdrom'),
          }),
        ];
  const seed =
    host.seed === null
      ? []
      : [
          ...blockdev({ driver: 'file', 'node-name': 'seed-file', filename: host.seed, 'read-only': true }),
          ...blockdev({ driver: 'raw', 'node-name': 'seed', file: 'seed-file', 'read-only': true }),
          ...seedDevice(vm),
        ];
  return [...iso, ...seed];
}

/**
 * A CD for Windows' own drivers; for Linux one on virtio, because kernels made for clouds have no AHCI. Not a virtio
 * disk, which would come before the VM's own: the guest's names of those (/dev/vda) must not depend on a seed.
 */
function seedDevice(vm: VmSettings): string[] {
  if (vm.profile === 'windows') return device({ driver: 'ide-cd', id: 'seed', bus: 'ide.1', drive: 'seed' });
  return [
    ...device({ driver: 'virtio-scsi-pci', id: 'cds', bus: 'pcie.0', addr: '0x14' }),
    ...device({ driver: 'scsi-cd', id: 'seed', bus: 'cds.0', drive: 'seed' }),
  ];
}

function ports(vm: VmSettings, host: HostPart): string[] {
  return vm.ports.flatMap((port) => [
    '-netdev',
    netdevArgument(netdevOptions(port, host.taps.get(port.name) ?? null)),
    ...device(portDeviceOptions(port, bootIndex(vm, `port:${port.name}`))),
  ]);
}

function netdevArgument(netdev: NetdevOptions): string {
  return netdev.type === 'user'
    ? `user,id=${netdev.id}`
    : `tap,id=${netdev.id},ifname=${netdev.ifname},script=no,downscript=no`;
}

function boot(vm: VmSettings, host: HostPart): string[] {
  if (!host.kernel || !vm.kernel) return ['-boot', 'menu=off,strict=on'];
  return [
    '-kernel',
    host.kernel.kernel,
    ...(host.kernel.initrd ? ['-initrd', host.kernel.initrd] : []),
    '-append',
    vm.kernel.cmdline,
  ];
}

/** With a kernel given QEMU boots that one, through a boot ROM of its own that has the first place. */
function bootIndex(vm: VmSettings, deviceName: string): number | null {
  if (vm.kernel) return null;
  const index = vm.bootOrder.indexOf(deviceName);
  return index < 0 ? null : index;
}

function bootIndexOption(vm: VmSettings, deviceName: string): { bootindex?: number } {
  const index = bootIndex(vm, deviceName);
  return index === null ? {} : { bootindex: index };
}
