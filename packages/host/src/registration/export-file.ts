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
  /** Null: of the VM as it was when it was exported. */
  checkpoint: z.string().nullable(),
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
  /** Of a differential export: what each disk continues. */
  since: z
    .strictObject({
      reference: z.string(),
      disks: z.array(
        z.strictObject({
          name: z.string(),
          /** The state (`layerId`) that lies below; null: the file has all of the disk. */
          from: z.string().nullable(),
        }),
      ),
    })
    .nullable()
    .default(null),
});
export type ExportFile = z.infer<typeof ExportFile>;

export const exportFileName = 'export.json';
