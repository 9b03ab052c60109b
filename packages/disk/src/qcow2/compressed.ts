/** Compressed clusters: raw deflate or one zstd frame, padded with whatever follows to whole sectors. */
import { promisify } from 'node:util';
import { inflateRaw, zstdDecompress } from 'node:zlib';
import { diskErrors } from '../errors.ts';
import type { Compression } from './header.ts';
import { zstdFrameLength } from './zstd-frame.ts';

const inflate = promisify(inflateRaw);
const unzstd = promisify(zstdDecompress);

/**
 * Expands `packed` to exactly `clusterBytes`; a bomb is stopped there.
 *
 * @throws disk.corrupt
 */
export async function expandCluster(
  path: string,
  packed: Uint8Array,
  compression: Compression,
  clusterBytes: number,
): Promise<Uint8Array> {
  // One piece of output, a little longer than needed, spares the library a turn for each of its 16 KiB.
  const limits = { maxOutputLength: clusterBytes, chunkSize: clusterBytes + 64 };
  let expanded: Uint8Array;
  try {
    expanded =
      compression === 'zlib'
        ? await inflate(packed, limits)
        : await unzstd(packed.subarray(0, zstdFrameLength(packed)), limits);
  } catch (cause) {
    throw diskErrors.corrupt({ path, what: 'a compressed cluster cannot be expanded' }, { cause });
  }
  if (expanded.length === clusterBytes) return expanded;
  throw diskErrors.corrupt({
    path,
    what: `a compressed cluster expands to ${expanded.length} bytes, not to ${clusterBytes}`,
  });
}
