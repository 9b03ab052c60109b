/** Where Corral keeps what it can fetch or make again: unpacked Debian packages, results of trials. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** CORRAL_CACHE, or `.cache` of the project that this file belongs to. */
export function defaultCacheDirectory(): string {
  return process.env['CORRAL_CACHE'] ?? join(fileURLToPath(new URL('../../../', import.meta.url)), '.cache');
}
