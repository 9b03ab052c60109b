/** What of a VM does not fit this host, for people. */
import type { RegistrationReport } from '@corral/api/schemas/registration';
import type { Paint } from '../render/paint.ts';
import { renderFacts, renderTable } from '../render/table.ts';

export function registrationReport(report: RegistrationReport, paint: Paint): string {
  const { checkpoints, disks, directory, findings, fits, id, name, source } = report;
  const facts = renderFacts(
    [
      ['Name', name],
      ['Id', id],
      ['Lies in', `${directory} (${source === 'export' ? 'an export' : 'the folder of a VM'})`],
      ['Disks', String(disks)],
      ['Checkpoints', String(checkpoints)],
      ['Fits this host', fits ? { text: 'yes', tone: 'good' } : { text: 'no', tone: 'bad' }],
    ],
    paint,
  );
  if (findings.length === 0) return facts;
  const table = renderTable(
    findings,
    [
      {
        head: '',
        cell: ({ severity }) => ({ text: severity, tone: severity === 'problem' ? 'bad' : 'dim' }),
      },
      { head: 'WHAT', cell: ({ subject }) => subject },
      { head: 'FOUND', cell: ({ message }) => message },
      { head: 'FIX', cell: ({ fix }) => fix },
    ],
    paint,
  );
  return `${facts}\n${table}`;
}
