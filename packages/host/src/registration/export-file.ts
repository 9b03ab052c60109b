/** `export.json`: what makes a folder an export (docs/formats/checkpoint.md, "An export"). Written last. */
import { CheckpointState } from '@corral/api/schemas/checkpoint';
import { z } from 'zod';
import { SavedMemory } from '../vm/vm-record.ts';

export const ExportFormat = z.enum(['qcow2', 'raw', 'vhd', 'vhdx']);
export type ExportFormat = z.infer<typeof ExportFormat>;

export const ExportFile = z.strictObject({
  format: z.literal('corral-export/1'),
  exportedAt: z.string(),
  vm: z.string(),
  checkpoint: z.string(),
  /** Into which registering it brings the VM: `saved` with memory, else `off`. */
  state: CheckpointState,
  /** The memory, file `saved-memory`. */
  memory: SavedMemory.nullable(),
  disks: z.array(
    z.strictObject({
      name: z.string(),
      format: ExportFormat,
      /** Relative to the folder. */
      path: z.string(),
      sizeBytes: z.int(),
      /** Files below, nearest first. */
      parents: z.array(z.string()),
    }),
  ),
});
export type ExportFile = z.infer<typeof ExportFile>;

export const exportFileName = 'export.json';
