/** The host and the doctor's findings, for people. */
import type { DoctorFinding, DoctorReport, DoctorSeverity, Host } from '@corral/api/schemas/host';
import { formatSize } from '@corral/core/units';
import type { Paint, Tone } from '../render/paint.ts';
import { printable } from '../render/printable.ts';
import { renderFacts } from '../render/table.ts';
import { formatTime } from '../render/values.ts';

export function hostDetails(host: Host, paint: Paint): string {
  const { memory, volume, accelerator, controlGroups, qemu } = host;
  const vms = Object.entries(host.vms).filter(([, count]) => count > 0);
  return renderFacts(
    [
      ['Name', host.name],
      ['Id', host.id],
      ['Corral', `${host.version}, up since ${formatTime(host.startedAt)}, process ${host.pid}`],
      ['System', `Linux ${host.kernel}, ${host.architecture}, Node ${host.nodeVersion}`],
      ['Processors', String(host.processors)],
      [
        'Memory',
        `${formatSize(memory.availableBytes)} available of ${formatSize(memory.totalBytes)}; ${formatSize(memory.assignedBytes)} assigned to VMs, ${formatSize(memory.reserveBytes)} kept for the host`,
      ],
      [
        'Accelerator',
        {
          text: `${accelerator.kind} (${accelerator.reason})`,
          tone: accelerator.kind === 'kvm' ? 'good' : 'warn',
        },
      ],
      ['Control groups', `${controlGroups.available ? 'yes' : 'no'} (${controlGroups.reason})`],
      ['QEMU', `${qemu.version}, ${qemu.path}, new VMs get ${qemu.machineType}`],
      ['Data', host.dataDirectory],
      [
        'Volume',
        `${formatSize(volume.freeBytes)} free of ${formatSize(volume.totalBytes)}, ${volume.fileSystem} at ${volume.path}, ${volume.reflink ? 'copies share blocks' : 'copies are whole'}`,
      ],
      ['Endpoints', host.endpoints],
      ['VMs', vms.map(([state, count]) => `${count} ${state}`)],
    ],
    paint,
  );
}

const tones: Readonly<Record<DoctorSeverity, Tone>> = {
  ok: 'good',
  note: 'dim',
  warning: 'warn',
  error: 'bad',
};

/** Worst first; what is wrong comes with its fix. */
export function doctorText(report: DoctorReport, paint: Paint): string {
  const order: readonly DoctorSeverity[] = ['error', 'warning', 'note', 'ok'];
  const findings = report.findings.toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
  return findings.map((finding) => findingText(finding, paint)).join('');
}

function findingText({ severity, title, detail, fix, things }: DoctorFinding, paint: Paint): string {
  const lines = [`${paint(severity.padEnd(8), tones[severity])} ${printable(title)}: ${printable(detail)}`];
  for (const thing of things) lines.push(`${' '.repeat(9)}- ${printable(thing)}`);
  if (fix !== null) lines.push(`${' '.repeat(9)}Fix: ${printable(fix)}`);
  return `${lines.join('\n')}\n`;
}
