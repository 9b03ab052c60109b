/** Figures of VMs as families of Prometheus. */
import { collectVmFigures, type VmFigures } from '@corral/host/metrics/vm-figures';
import type { VmHost } from '@corral/host/vm/vm-host';
import type { MetricFamily, Sample } from '../metrics.ts';

type Kind = MetricFamily['kind'];

export async function vmMetrics(host: VmHost): Promise<MetricFamily[]> {
  const vms = await collectVmFigures(host);
  const ofVm = (
    name: string,
    help: string,
    kind: Kind,
    value: (vm: VmFigures) => number | null,
  ): MetricFamily => ({
    name,
    help,
    kind,
    labelNames: ['vm', 'id'],
    samples: vms.flatMap((vm) => sample({ vm: vm.name, id: vm.id }, value(vm))),
  });
  return [
    {
      name: 'corral_vm_state',
      help: '1 for the state that the VM is in',
      kind: 'gauge',
      labelNames: ['vm', 'id', 'state'],
      samples: vms.map((vm) => ({ labels: { vm: vm.name, id: vm.id, state: vm.state }, value: 1 })),
    },
    ofVm('corral_vm_cpus', 'Processors of the VM', 'gauge', (vm) => vm.cpus),
    ofVm('corral_vm_memory_bytes', 'Memory of the VM', 'gauge', (vm) => vm.memoryBytes),
    ofVm('corral_vm_resident_bytes', "Memory that the VM's QEMU holds", 'gauge', (vm) => vm.residentBytes),
    ofVm('corral_vm_cpu_seconds_total', "Processor time of the VM's QEMU", 'counter', (vm) => vm.cpuSeconds),
    ofVm(
      'corral_vm_group_memory_bytes',
      "Memory of the VM's control group, with the page cache",
      'gauge',
      (vm) => vm.group?.memoryBytes ?? null,
    ),
    ofVm(
      'corral_vm_group_throttled_seconds_total',
      "Time that the control group's ceiling for processor time took from the VM",
      'counter',
      (vm) => vm.group?.throttledSeconds ?? null,
    ),
    ofVm(
      'corral_vm_group_out_of_memory_kills_total',
      "Processes of the VM that the kernel ended at the control group's ceiling for memory",
      'counter',
      (vm) => vm.group?.outOfMemoryKills ?? null,
    ),
    ...diskFamilies(vms),
    ...portFamilies(vms),
  ];
}

function sample(labels: Sample['labels'], value: number | null): Sample[] {
  return value === null ? [] : [{ labels, value }];
}

function diskFamilies(vms: readonly VmFigures[]): MetricFamily[] {
  const figures = [
    ['corral_vm_disk_read_bytes_total', 'Bytes read from the disk', 'readBytes'],
    ['corral_vm_disk_written_bytes_total', 'Bytes written to the disk', 'writtenBytes'],
    ['corral_vm_disk_reads_total', 'Reads from the disk', 'reads'],
    ['corral_vm_disk_writes_total', 'Writes to the disk', 'writes'],
    ['corral_vm_disk_flushes_total', 'Flushes of the disk', 'flushes'],
  ] as const;
  return figures.map(([name, help, key]) => ({
    name,
    help,
    kind: 'counter',
    labelNames: ['vm', 'id', 'disk'],
    samples: vms.flatMap((vm) =>
      vm.disks.map((disk) => ({ labels: { vm: vm.name, id: vm.id, disk: disk.disk }, value: disk[key] })),
    ),
  }));
}

function portFamilies(vms: readonly VmFigures[]): MetricFamily[] {
  const figures = [
    ['corral_vm_port_received_bytes_total', 'Bytes that the guest received', 'receivedBytes'],
    ['corral_vm_port_sent_bytes_total', 'Bytes that the guest sent', 'sentBytes'],
  ] as const;
  return figures.map(([name, help, key]) => ({
    name,
    help,
    kind: 'counter',
    labelNames: ['vm', 'id', 'port'],
    samples: vms.flatMap((vm) =>
      vm.ports.map((port) => ({ labels: { vm: vm.name, id: vm.id, port: port.port }, value: port[key] })),
    ),
  }));
}
