/** What a volume can do, as one line. */
import type { Volume } from '@corral/api/schemas/volume';

const words = {
  reflink: 'reflink',
  copyFileRange: 'copy_file_range',
  sparseFiles: 'sparse files',
  holePunching: 'hole punching',
  directIo: 'direct I/O',
  folderSync: 'synced folders',
} as const satisfies Record<keyof Volume['capabilities'], string>;

/** `reflink, sparse files; not direct I/O` */
export function abilities({ capabilities }: Pick<Volume, 'capabilities'>): string {
  const keys = Object.keys(words) as (keyof typeof words)[];
  const list = (able: boolean): string =>
    keys
      .filter((key) => capabilities[key] === able)
      .map((key) => words[key])
      .join(', ');
  const cannot = list(false);
  return cannot === '' ? list(true) : `${list(true) || 'nothing'}; not ${cannot}`;
}
