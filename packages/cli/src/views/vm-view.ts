/** VMs for people. */
import type { Vm } from '@corral/api/schemas/vm';
import type { DiskSettings, PortSettings } from '@corral/api/schemas/vm-settings';
import { formatDuration, formatSize } from '@corral/core/units';
import type { VmState } from '@corral/core/vm-actions';
import type { Paint, Tone } from '../render/paint.ts';
import { type Cell, type Column, type Fact, renderFacts, renderTable } from '../render/table.ts';
import { formatOptionalTime, formatTime, formatYesNo } from '../render/values.ts';

const tones: Readonly<Partial<Record<VmState, Tone>>> = {
  running: 'good',
  paused: 'warn',
  unresponsive: 'bad',
  off: 'dim',
};

function stateCell({ state }: Vm): Cell {
  return { text: state, tone: tones[state] };
}

const vmColumns: readonly Column<Vm>[] = [
  { head: 'NAME', cell: (vm) => vm.name },
  { head: 'STATE', cell: stateCell },
  { head: 'CPUS', align: 'right', cell: (vm) => String(vm.cpus) },
  { head: 'MEMORY', align: 'right', cell: (vm) => formatSize(vm.memoryBytes) },
  { head: 'DISKS', align: 'right', cell: (vm) => String(vm.disks.length) },
  { head: 'PID', align: 'right', cell: (vm) => String(vm.pid ?? '-') },
  { head: 'STARTED', cell: (vm) => formatOptionalTime(vm.startedAt) },
];

export function vmTable(vms: readonly Vm[], paint: Paint): string {
  return renderTable(vms, vmColumns, paint);
}

export function vmDetails(vm: Vm, paint: Paint): string {
  const facts: Fact[] = [
    ['Name', vm.name],
    ['Id', vm.id],
    ['State', stateCell(vm)],
    ...optional('Why', vm.stateReason),
    ...optional('Process', vm.pid === null ? null : `${vm.pid} (${vm.accelerator ?? 'accelerator unknown'})`),
    ...optional('Started', vm.startedAt === null ? null : formatTime(vm.startedAt)),
    ...optional('Operation', vm.operationId),
    ['Created', formatTime(vm.createdAt)],
    ['Profile', vm.profile],
    ['Processors', String(vm.cpus)],
    ['Memory', formatSize(vm.memoryBytes)],
    ['Firmware', firmwareText(vm)],
    ...optional('TPM', vm.tpm ? 'yes' : null),
    ['VM version', `${vm.version.machineType}, ${vm.version.cpuModel}`],
    ...optional('Boot order', vm.bootOrder.length === 0 ? null : vm.bootOrder.join(', ')),
    ...optional('Kernel', vm.kernel?.kernel ?? null),
    ...optional('ISO', vm.iso),
    ['Autostart', vm.autostart === null ? 'no' : autostartText(vm.autostart)],
    ['Autostop', vm.autostop],
    ['Disks', vm.disks.map(diskLine)],
    ['Ports', vm.ports.map(portLine)],
  ];
  if (vm.pendingRestart.length > 0) {
    facts.push(['From the next start', { text: vm.pendingRestart.join(', '), tone: 'warn' }]);
  }
  return renderFacts(facts, paint);
}

function optional(name: string, value: string | null): Fact[] {
  return value === null ? [] : [[name, value]];
}

function firmwareText({ firmware, secureBoot }: Vm): string {
  return secureBoot ? `${firmware}, Secure Boot` : firmware;
}

function autostartText({ order, delayMs }: NonNullable<Vm['autostart']>): string {
  return delayMs === 0 ? `order ${order}` : `order ${order}, then ${formatDuration(delayMs)} for the next`;
}

function diskLine(disk: DiskSettings): string {
  const kind = disk.passThrough ? 'pass-through' : disk.format;
  return `${disk.name}: ${formatSize(disk.sizeBytes)}, ${kind}, ${disk.bus}, ${disk.path}`;
}

function portLine(port: PortSettings): string {
  return `${port.name}: ${port.network}, ${port.model}, ${port.mac}`;
}

const diskColumns: readonly Column<DiskSettings>[] = [
  { head: 'NAME', cell: (disk) => disk.name },
  { head: 'SIZE', align: 'right', cell: (disk) => formatSize(disk.sizeBytes) },
  { head: 'FORMAT', cell: (disk) => disk.format },
  { head: 'BUS', cell: (disk) => disk.bus },
  { head: 'PASS-THROUGH', cell: (disk) => formatYesNo(disk.passThrough) },
  { head: 'PATH', cell: (disk) => disk.path },
];

export function diskTable(disks: readonly DiskSettings[], paint: Paint): string {
  return renderTable(disks, diskColumns, paint);
}

const portColumns: readonly Column<PortSettings>[] = [
  { head: 'NAME', cell: (port) => port.name },
  { head: 'NETWORK', cell: (port) => port.network },
  { head: 'MODEL', cell: (port) => port.model },
  { head: 'MAC', cell: (port) => port.mac },
];

export function portTable(ports: readonly PortSettings[], paint: Paint): string {
  return renderTable(ports, portColumns, paint);
}
