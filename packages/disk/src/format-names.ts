/** What the names of disk files say. */
import type { DiskFormat } from './disk.ts';

const formatOfExtension: Readonly<Record<string, DiskFormat>> = {
  raw: 'raw',
  img: 'raw',
  qcow2: 'qcow2',
  vhd: 'vhd',
  avhd: 'vhd',
  vhdx: 'vhdx',
  avhdx: 'vhdx',
};

/** The format that the file's name says, if it says one. */
export function namedFormat(path: string): DiskFormat | undefined {
  return formatOfExtension[/\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? ''];
}
