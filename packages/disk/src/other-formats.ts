/** Files that are no disk of ours, but surely no raw disk either. */
import type { Buffer } from 'node:buffer';

/** Formats that Corral does not read; taken as raw they would be a disk of rubbish. */
const otherFormats: readonly { readonly name: string; readonly magic: string; readonly at: number }[] = [
  { name: 'VMDK', magic: 'KDMV', at: 0 },
  { name: 'VMDK', magic: 'COWD', at: 0 },
  { name: 'VMDK', magic: '# Disk DescriptorFile', at: 0 },
  { name: 'QED', magic: 'QED\0', at: 0 },
  { name: 'VDI', magic: '\x7f\x10\xda\xbe', at: 64 },
  { name: 'Parallels', magic: 'WithoutFreeSpace', at: 0 },
  { name: 'Parallels', magic: 'WithouFreSpacExt', at: 0 },
  { name: 'qcow (version 1)', magic: 'QFI\xfb\0\0\0\x01', at: 0 },
  { name: 'gzip', magic: '\x1f\x8b\x08', at: 0 },
  { name: 'xz', magic: '\xfd7zXZ\0', at: 0 },
  { name: 'zstd', magic: '\x28\xb5\x2f\xfd', at: 0 },
  { name: 'bzip2', magic: 'BZh', at: 0 },
  { name: 'zip', magic: 'PK\x03\x04', at: 0 },
];

/** Its name, if the file begins as one of them. */
export function otherFormatOf(header: Buffer): string | undefined {
  return otherFormats.find(({ magic, at }) => header.toString('latin1', at, at + magic.length) === magic)
    ?.name;
}
