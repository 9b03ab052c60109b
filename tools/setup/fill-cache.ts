/**
 * `fill-cache.ts [--refresh] guest|etcd|boot-loaders|micro|file-helper ...`: puts sets of unpacked Debian packages and images into
 * Corral's cache, for the set-up. Runs on the project's own Node, under the set-up's lock.
 */
import { parseArgs } from 'node:util';
import { isCorralError } from '@corral/core/errors';
import { defaultCacheDirectory } from '@corral/image/cache-directory';
import { ensurePackageSet } from '@corral/image/debian/package-set';
import { bootLoaderPackages, etcdPackages, guestPackages } from '@corral/image/debian/package-sets';
import { cachedMicroImage, fileHelper } from '@corral/image/micro/cached-micro-image';
import type { LongWork } from '@corral/image/progress';

type Filler = (cache: string, refresh: boolean, work: LongWork) => Promise<unknown>;

const fillers: Readonly<Record<string, Filler>> = {
  guest: (cache, refresh, work) => ensurePackageSet({ ...guestPackages(cache), refresh }, work),
  etcd: (cache, refresh, work) => ensurePackageSet({ ...etcdPackages(cache), refresh }, work),
  'boot-loaders': (cache, refresh, work) => ensurePackageSet({ ...bootLoaderPackages(cache), refresh }, work),
  micro: (cache, _refresh, work) => cachedMicroImage(cache, work),
  'file-helper': (cache, _refresh, work) => cachedMicroImage(cache, work, fileHelper),
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { refresh: { type: 'boolean', default: false } },
  });
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
  const work: LongWork = {
    signal: controller.signal,
    progress: ({ step }) => console.log(`    ${step}`),
  };
  try {
    for (const name of positionals) await fillers[name]!(defaultCacheDirectory(), values.refresh, work);
    return 0;
  } catch (error) {
    if (controller.signal.aborted) return 130;
    if (!isCorralError(error)) throw error;
    console.error(error.message);
    return 1;
  }
}

process.exitCode = await main();
