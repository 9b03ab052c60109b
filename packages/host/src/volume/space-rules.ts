/** How much of a volume is kept free, and what the figures mean. Pure (docs/design/0007-volumes.md). */
import type { VolumeSpace } from './volume-driver.ts';

const defaultShare = 0.05;
const mostByDefault = 4 * 2 ** 30;

/** @param set what somebody chose; null for the default */
export function reserveOf(set: number | null, totalBytes: number): number {
  return set ?? Math.min(Math.floor(totalBytes * defaultShare), mostByDefault);
}

export function leavesReserve(space: VolumeSpace, neededBytes: number, reserveBytes: number): boolean {
  return space.freeBytes - neededBytes >= reserveBytes;
}

/**
 * Whether the event that the reserve is reached is due, and what to remember of it. It is due once, and again only
 * after there was clearly more: a figure that trembles around the reserve tells nothing new.
 */
export function judgeReserve(
  space: VolumeSpace,
  reserveBytes: number,
  told: boolean,
): { readonly tell: boolean; readonly told: boolean } {
  if (space.freeBytes < reserveBytes) return { tell: !told, told: true };
  return { tell: false, told: told && space.freeBytes < reserveBytes * 1.25 };
}

/** Above 1 not all disks can fill up. Two decimals. */
export function overcommitRatio(provisionedBytes: number, allocatedBytes: number, freeBytes: number): number {
  const canHold = allocatedBytes + freeBytes;
  return canHold === 0 ? 0 : Math.round((provisionedBytes / canHold) * 100) / 100;
}
