import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { VmCreate } from '@corral/api/schemas/vm';
import { DataDirectory } from '../data-directory.ts';
import { samplePlan, sampleVm } from '../testing/sample-vm.ts';
import { type HostPart, qemuCommandLine } from './qemu-command-line.ts';
import { layerNode } from './qemu-devices.ts';

const directory = new DataDirectory('/data');

function hostPart(vm: ReturnType<typeof sampleVm>, overrides: Partial<HostPart> = {}): HostPart {
  return {
    accelerator: 'tcg',
    dataRoot: '/data',
    paths: directory.vm(vm.id),
    firmware: null,
    diskFiles: new Map(vm.disks.map((disk) => [disk.name, { path: `vms/${disk.path}`, direct: true }])),
    parentFiles: new Map(
      vm.disks.map((disk) => [disk.name, disk.parents.map(({ path }) => ({ path, direct: false }))]),
    ),
    taps: new Map(),
    kernel: null,
    isoFd: null,
    seed: null,
    incoming: false,
    ...overrides,
  };
}

function commandLine(request: Partial<VmCreate> = {}, overrides: Partial<HostPart> = {}): string[] {
  const vm = sampleVm(request);
  return qemuCommandLine(vm, hostPart(vm, overrides));
}

/** The JSON values of an option that may be given several times. */
function options(args: readonly string[], option: string): Record<string, unknown>[] {
  return args
    .flatMap((arg, index) => (arg === option ? [args[index + 1]!] : []))
    .map((text) => JSON.parse(text) as Record<string, unknown>);
}

describe("QEMU's command line", () => {
  it('holds the data directory and the name of the VM', () => {
    const args = commandLine();
    assert.ok(args.some((arg) => arg.startsWith('/data/vms/')));
    assert.ok(args.includes('guest=web1,debug-threads=on'));
  });

  it('turns the sandbox on', () => {
    const args = commandLine();
    assert.match(args[args.indexOf('-sandbox') + 1]!, /^on,.*elevateprivileges=deny,spawn=deny/);
  });

  it('shows the seed as a CD that the guest has drivers for, and never as a disk before its own', () => {
    const seedOf = (profile: 'linux' | 'windows'): unknown =>
      options(commandLine({ profile }, { seed: 'seed.iso' }), '-device').find(({ id }) => id === 'seed');
    assert.deepEqual(seedOf('linux'), { driver: 'scsi-cd', id: 'seed', bus: 'cds.0', drive: 'seed' });
    assert.deepEqual(seedOf('windows'), { driver: 'ide-cd', id: 'seed', bus: 'ide.1', drive: 'seed' });
  });

  it('names every layer of a chain itself, so that no header is believed', () => {
    const image = {
      id: '00000000-0000-4000-8000-00000000abcd',
      profile: 'linux',
      kind: 'disk',
      path: '/images/base.qcow2',
      format: 'qcow2',
      sizeBytes: 2 ** 30,
      seal: { lengthBytes: 1, modifiedNs: '1' },
    } as const;
    const { settings } = samplePlan({ disks: [], linked: true }, { image });
    const nodes = options(qemuCommandLine(settings, hostPart(settings)), '-blockdev');
    const [disk] = settings.disks;
    const base = nodes.find((node) => node['node-name'] === layerNode('/images/base.qcow2'));
    const top = nodes.find((node) => node['node-name'] === layerNode(disk!.path));
    assert.deepEqual([base?.['read-only'], base?.['backing']], [true, null]);
    assert.equal(top?.['backing'], base?.['node-name']);
  });

  it('has every address of a PCI device given', () => {
    const args = commandLine({ profile: 'linux', ports: [{ network: 'user' }, { network: 'user' }] });
    const pci = options(args, '-device').filter(({ driver }) => /pci|pcie|xhci|VGA/.test(String(driver)));
    const places = pci.map(({ bus, addr }) => `${bus}/${addr ?? ''}`);
    assert.ok(pci.every(({ bus }) => typeof bus === 'string'));
    assert.equal(new Set(places).size, places.length, 'no address is given twice');
  });

  it('gives Windows its enlightenments with KVM alone, and the local clock always', () => {
    const kvm = commandLine({ profile: 'windows' }, { accelerator: 'kvm' });
    const tcg = commandLine({ profile: 'windows' });
    const cpu = (args: string[]): string => args[args.indexOf('-cpu') + 1]!;
    assert.match(cpu(kvm), /hv-relaxed/);
    assert.equal(cpu(tcg), 'Nehalem');
    assert.ok(tcg.includes('base=localtime,driftfix=slew'));
  });

  it('stops the guest when a write fails', () => {
    const disk = options(commandLine(), '-device').find(({ id }) => id === 'disk-data');
    assert.deepEqual([disk?.['werror'], disk?.['rerror']], ['stop', 'stop']);
  });

  it('passes a kernel command line as one argument, whatever is in it', () => {
    const cmdline = 'console=ttyS0 x="a, b" -monitor stdio';
    const kernel = { kernel: 'boot/vmlinuz', initrd: null, cmdline };
    const args = commandLine({ kernel }, { kernel: { kernel: 'vms/x/boot/vmlinuz', initrd: null } });
    assert.equal(args[args.indexOf('-append') + 1], cmdline);
    assert.ok(!args.includes('-monitor'));
  });

  it('keeps every node name within the 31 characters that QEMU allows', () => {
    const name = 'a'.repeat(20);
    const nodes = options(commandLine({ disks: [{ name, sizeBytes: 512 }] }), '-blockdev');
    for (const node of nodes) assert.ok(String(node['node-name']).length <= 31);
  });
});
