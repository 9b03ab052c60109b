/** What the guest tells, for people. */
import type { GuestInfo, KeyValue } from '@corral/api/schemas/guest';
import type { Paint } from '../render/paint.ts';
import { type Column, renderFacts, renderTable } from '../render/table.ts';

export function guestDetails(guest: GuestInfo, paint: Paint): string {
  const system = [guest.osName, guest.osVersion].filter((text) => text !== null).join(' ');
  return renderFacts(
    [
      ['Host name', guest.hostname ?? 'unknown'],
      ['System', system === '' ? 'unknown' : system],
      ['Kernel', guest.kernel ?? 'unknown'],
      ['Agent', guest.agentVersion],
      ['Clock', clockText(guest.clockOffsetMs)],
      [
        'Addresses',
        guest.addresses.map(({ interface: name, address, prefix }) => `${name}: ${address}/${prefix}`),
      ],
    ],
    paint,
  );
}

function clockText(offsetMs: number | null): string {
  if (offsetMs === null) return 'unknown';
  if (Math.abs(offsetMs) < 1000) return "the host's, within a second";
  const seconds = (Math.abs(offsetMs) / 1000).toFixed(1);
  return `${seconds} s ${offsetMs > 0 ? 'ahead of' : 'behind'} the host's`;
}

const keyValueColumns: readonly Column<KeyValue>[] = [
  { head: 'KEY', cell: (pair) => pair.key },
  { head: 'VALUE', cell: (pair) => pair.value },
  { head: 'WRITTEN BY', cell: (pair) => pair.source },
];

export function keyValueTable(pairs: readonly KeyValue[], paint: Paint): string {
  return renderTable(pairs, keyValueColumns, paint);
}
