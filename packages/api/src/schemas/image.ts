/** Images: what VMs are made from. */
import { z } from 'zod';
import { Bytes, Id, Name, Timestamp } from './common.ts';
import { Profile } from './vm-settings.ts';

export const ImageKind = z
  .enum(['disk', 'kernel'])
  .describe('a disk to copy, or a kernel with its initramfs');

export const ImageFormat = z.enum(['qcow2', 'raw']);

export const Image = z.strictObject({
  id: Id,
  name: Name,
  createdAt: Timestamp,
  kind: ImageKind,
  format: ImageFormat.nullable().describe('of the disk; null for a kernel'),
  sizeBytes: Bytes.describe('as a guest sees the disk; of kernel and initramfs together otherwise'),
  storedBytes: Bytes.describe('on the volume'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256: 64 digits of base 16')
    .nullable()
    .describe('of the stored file, if it is one'),
  profile: Profile.describe('of the VMs made from it, unless they name another'),
  source: z.string().describe('where it came from, for people'),
  usedBy: z.array(Id).describe('VMs that need it: linked disks, or a kernel they boot from'),
});

export const ImageImport = z.strictObject({
  name: Name,
  path: z.string().startsWith('/').max(4096).describe('absolute path of a file on the host'),
  format: z
    .enum(['qcow2', 'raw', 'vhd', 'vhdx'])
    .optional()
    .describe('of the file; default: what its header says; a file without a header is raw'),
  profile: Profile.default('linux'),
});

export const ImageBuild = z.strictObject({
  recipe: z.literal('micro').describe("a small Linux from the host's own Debian packages"),
  name: Name.optional().describe('default: the name of the recipe'),
});

export type Image = z.infer<typeof Image>;
export type ImageImport = z.infer<typeof ImageImport>;
export type ImageBuild = z.infer<typeof ImageBuild>;
