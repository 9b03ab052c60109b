/** Bringing back a VM from the files where they lie (docs/formats/export.md). */
import { z } from 'zod';
import { Id, Name } from './common.ts';
import { Network } from './vm-settings.ts';

export const VmRegister = z.strictObject({
  directory: z.string().startsWith('/').max(4096).describe('of the host: an export, or the folder of a VM'),
  copy: z.boolean().default(false).describe('copy the files instead of taking them over where they lie'),
  differentials: z
    .array(z.string().startsWith('/').max(4096))
    .max(100)
    .default([])
    .describe('differential exports that continue it, in their order; they are copied, so copy must be true'),
  newId: z.boolean().default(false).describe('new ids and addresses: another VM than the one it was'),
  name: Name.optional().describe('another name'),
  switches: z
    .record(z.string().max(64), Network)
    .default({})
    .describe('network as the files say → network of this host'),
});

export const RegistrationFinding = z.strictObject({
  severity: z.enum(['note', 'problem']).describe('a problem keeps the VM from being registered'),
  subject: z.string().describe('port net0, disk data, memory'),
  message: z.string(),
  fix: z.string(),
});

export const RegistrationReport = z.strictObject({
  id: Id,
  name: Name,
  directory: z.string(),
  source: z.enum(['export', 'folder']),
  checkpoints: z.int().min(0),
  disks: z.int().min(0),
  fits: z.boolean().describe('whether it could be registered as asked'),
  findings: z.array(RegistrationFinding),
});

export type VmRegister = z.infer<typeof VmRegister>;
export type RegistrationFinding = z.infer<typeof RegistrationFinding>;
export type RegistrationReport = z.infer<typeof RegistrationReport>;
