/** Where the content of images and disks comes from: recipes, and files and devices that somebody names. */
import { copyFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SeedSource } from '@corral/api/schemas/vm';
import { inspectForeign } from '@corral/disk/inspect-foreign';
import type { ImageHost } from '@corral/host/image/image-operations';
import type { SourceLayer } from '@corral/host/vm/plan-kept-chains';
import type { SourceFacts } from '@corral/host/vm/plan-vm';
import { defaultCacheDirectory } from '@corral/image/cache-directory';
import { importDisk as importDiskFile } from '@corral/image/import/import-disk';
import { cachedMicroImage, fileHelper } from '@corral/image/micro/cached-micro-image';
import type { LongWork } from '@corral/image/progress';

export const buildMicro: ImageHost['buildMicro'] = async (folder, signal, report) => {
  const image = await cachedMicroImage(defaultCacheDirectory(), { signal, progress: progressTo(report) });
  for (const name of [image.kernel, image.initrd])
    await copyFile(join(image.folder, name), join(folder, name));
  const { cmdline, sha256, sizeBytes } = image;
  return { content: { kind: 'kernel', cmdline }, sizeBytes, sha256 };
};

/** The system of the VM that looks into disks of backups. */
export async function buildFileHelper(signal: AbortSignal) {
  const image = await cachedMicroImage(defaultCacheDirectory(), { signal }, fileHelper);
  const { cmdline, folder } = image;
  return { kernel: join(folder, image.kernel), initrd: join(folder, image.initrd), cmdline };
}

export const importDisk: ImageHost['importDisk'] = async (path, format, folder, signal, report) => {
  const image = await importDiskFile({ path, format, target: folder, signal, progress: progressTo(report) });
  const { sha256, sizeBytes } = image;
  return { content: { kind: 'disk', format: image.format }, sizeBytes, sha256 };
};

function progressTo(report: Parameters<ImageHost['buildMicro']>[2]): NonNullable<LongWork['progress']> {
  return ({ step, doneBytes, totalBytes }) => report(doneBytes ?? 0, totalBytes ?? null, step);
}

/**
 * Our own parsers look at a foreign file before any other program does (invariant 5).
 *
 * @param keepsChain whoever asks wants each file of its chain, and is told them by name
 */
export async function inspectSource(path: string, keepsChain: boolean): Promise<SourceFacts> {
  const found = await inspectForeign(path, { provedParents: true, namedParents: keepsChain });
  const layers: SourceLayer[] = [];
  for (const layer of found.layers) {
    const { mtime } = await stat(layer.path);
    const { sizeBytes, createdAt = null } = layer.info;
    layers.push({ path: layer.path, sizeBytes, modifiedAt: mtime.toISOString(), createdAt });
  }
  return { format: found.info.format, sizeBytes: found.info.sizeBytes, layers };
}

export async function makeSeed(
  seed: SeedSource,
  instanceId: string,
  defaultHostname: string,
): Promise<Uint8Array> {
  // Loaded when a seed is made: its YAML parser would take memory of every daemon.
  const { makeSeedImage } = await import('@corral/image/seed/seed-image');
  return makeSeedImage({ instanceId, ...seed, hostname: seed.hostname ?? defaultHostname });
}
