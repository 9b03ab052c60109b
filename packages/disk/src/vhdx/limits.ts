/** Sizes that [MS-VHDX] fixes, and the limits that keep a hostile file from taking memory or time (docs/formats/vhdx.md). */

export const KiB = 2 ** 10;
export const MiB = 2 ** 20;

/** Everything in a VHDX is aligned to it (2.1). */
export const alignment = MiB;
export const headerSectionBytes = MiB;
/** Unit of the log and of every change of metadata (2.3.1). */
export const logSectorBytes = 4 * KiB;

export const minBlockBytes = MiB;
export const maxBlockBytes = 256 * MiB;
export const maxSizeBytes = 64 * 2 ** 40;

/** No offset in a file may lie behind this: twice the largest disk, room for any table. */
export const maxFileBytes = 128 * 2 ** 40;
/** A log to replay is read as a whole. */
export const maxReplayBytes = 64 * MiB;
export const maxZeroDescriptors = 4096;

export function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
