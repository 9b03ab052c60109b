/** Volumes for people. */
import type { Volume, VolumeCheck } from '@corral/api/schemas/volume';
import { formatSize } from '@corral/core/units';
import { abilities } from '../commands/volume/abilities.ts';
import type { Paint } from '../render/paint.ts';
import { printable } from '../render/printable.ts';
import { type Cell, type Column, renderFacts, renderTable } from '../render/table.ts';
import { formatTime } from '../render/values.ts';

const size = (bytes: number | null): string => (bytes === null ? '-' : formatSize(bytes));

function stateCell({ state, belowReserve }: Volume): Cell {
  if (state !== 'held') return { text: state, tone: 'bad' };
  return belowReserve ? { text: 'below reserve', tone: 'warn' } : { text: 'held', tone: 'good' };
}

const columns: readonly Column<Volume>[] = [
  { head: 'NAME', cell: (volume) => volume.name },
  { head: 'STATE', cell: stateCell },
  { head: 'FS', cell: (volume) => volume.fileSystem },
  { head: 'FREE', align: 'right', cell: (volume) => size(volume.freeBytes) },
  { head: 'TOTAL', align: 'right', cell: (volume) => size(volume.totalBytes) },
  { head: 'ALLOCATED', align: 'right', cell: (volume) => size(volume.allocatedBytes) },
  { head: 'PROVISIONED', align: 'right', cell: (volume) => size(volume.provisionedBytes) },
  { head: 'VMS', align: 'right', cell: (volume) => String(volume.usedBy.length) },
  { head: 'PATH', cell: (volume) => volume.path },
];

export function volumeTable(volumes: readonly Volume[], paint: Paint): string {
  return renderTable(volumes, columns, paint);
}

export function volumeDetails(volume: Volume, paint: Paint): string {
  const { owner } = volume;
  return renderFacts(
    [
      ['Name', volume.name],
      ['Id', volume.id],
      ['Path', `${volume.path} (${volume.fileSystem})`],
      ['State', stateCell(volume)],
      ...(volume.stateReason === null ? [] : [['Because', volume.stateReason] as const]),
      [
        'Owner',
        owner === null
          ? 'nobody'
          : `${owner.kind} ${owner.name} (${owner.id}) since ${formatTime(owner.since)}`,
      ],
      ['Can', abilities(volume)],
      ['Free', `${size(volume.freeBytes)} of ${size(volume.totalBytes)}`],
      ['Reserve', formatSize(volume.reserveBytes)],
      ['Allocated', `${size(volume.allocatedBytes)} by files of VMs and images`],
      [
        'Provisioned',
        `${formatSize(volume.provisionedBytes)} to disks; over-commitment ${volume.overcommitRatio ?? '-'}`,
      ],
      ['Used by', volume.usedBy],
    ],
    paint,
  );
}

export function volumeCheckText(report: VolumeCheck, paint: Paint): string {
  const lines = report.findings.map(({ problem, severity, path, vm, disk, detail }) => {
    const whose = vm === null ? '' : ` (VM ${vm}${disk === null ? '' : `, disk ${disk}`})`;
    const what = paint(problem.padEnd(8), severity === 'error' ? 'bad' : 'dim');
    return `${what} ${printable(path)}${printable(whose)}: ${printable(detail)}`;
  });
  const seen = `${report.files} files of ${report.vms} VMs`;
  lines.push(report.ok ? `${paint('Sound', 'good')}: ${seen}.` : `${paint('Not sound', 'bad')}: ${seen}.`);
  return `${lines.join('\n')}\n`;
}
