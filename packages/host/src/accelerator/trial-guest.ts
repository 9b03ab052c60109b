/** What the trial of the accelerators boots: the micro image where it was built, else the kernel that this host runs. */
import { access } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { findCachedMicroImage } from '@corral/image/micro/cached-micro-image';
import type { TrialGuest } from './accelerator-race.ts';

/** @returns null if this host has neither */
export async function findTrialGuest(cacheDirectory: string): Promise<TrialGuest | null> {
  const micro = await findCachedMicroImage(cacheDirectory);
  if (micro) return { kernel: join(micro.folder, micro.kernel), initrd: join(micro.folder, micro.initrd) };
  const kernel = `/boot/vmlinuz-${release()}`;
  try {
    await access(kernel);
    return { kernel, initrd: null };
  } catch (cause) {
    // A container, or a host that keeps its kernel elsewhere.
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw cause;
  }
}
