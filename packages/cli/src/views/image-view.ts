/** Images for people. */
import type { Image } from '@corral/api/schemas/image';
import { formatSize } from '@corral/core/units';
import type { Paint } from '../render/paint.ts';
import { type Column, renderFacts, renderTable } from '../render/table.ts';
import { formatTime } from '../render/values.ts';

const columns: readonly Column<Image>[] = [
  { head: 'NAME', cell: (image) => image.name },
  { head: 'KIND', cell: (image) => image.kind },
  { head: 'FORMAT', cell: (image) => image.format ?? '-' },
  { head: 'SIZE', align: 'right', cell: (image) => formatSize(image.sizeBytes) },
  { head: 'STORED', align: 'right', cell: (image) => formatSize(image.storedBytes) },
  { head: 'PROFILE', cell: (image) => image.profile },
  { head: 'NEEDED BY', align: 'right', cell: (image) => String(image.usedBy.length) },
];

export function imageTable(images: readonly Image[], paint: Paint): string {
  return renderTable(images, columns, paint);
}

export function imageDetails(image: Image, paint: Paint): string {
  return renderFacts(
    [
      ['Name', image.name],
      ['Id', image.id],
      ['Created', formatTime(image.createdAt)],
      ['Kind', image.kind],
      ['Format', image.format ?? '-'],
      ['Size', formatSize(image.sizeBytes)],
      ['Stored', formatSize(image.storedBytes)],
      ['SHA-256', image.sha256 ?? '-'],
      ['Profile', image.profile],
      ['Source', image.source],
      ['Needed by', image.usedBy],
    ],
    paint,
  );
}
