/**
 * `fetch-packages.ts [--refresh] guest|etcd ...`: unpacks sets of Debian packages into Corral's cache, for the set-up.
 * Runs on the project's own Node, under the set-up's lock.
 */
import { parseArgs } from 'node:util';
import { isCorralError } from '@corral/core/errors';
import { defaultCacheDirectory } from '@corral/image/cache-directory';
import { ensurePackageSet } from '@corral/image/debian/package-set';
import { etcdPackages, guestPackages } from '@corral/image/debian/package-sets';

const sets = { guest: guestPackages, etcd: etcdPackages };

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { refresh: { type: 'boolean', default: false } },
  });
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
  try {
    for (const name of positionals) {
      const request = sets[name as keyof typeof sets](defaultCacheDirectory());
      await ensurePackageSet(
        { ...request, refresh: values.refresh },
        { signal: controller.signal, progress: ({ step }) => console.log(`    ${step}`) },
      );
    }
    return 0;
  } catch (error) {
    if (controller.signal.aborted) return 130;
    if (!isCorralError(error)) throw error;
    console.error(error.message);
    return 1;
  }
}

process.exitCode = await main();
