/** Compressed clusters: raw deflate or one zstd frame, padded with whatever follows to whole sectors. */
import { promisify } from 'node:util';
import { inflateRaw, inflateRawSync, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import { diskErrors } from '../errors.ts';
import type { Compression } from './header.ts';
import { zstdFrameLength } from './zstd-frame.ts';

const inflate = promisify(inflateRaw);
const unzstd = promisify(zstdDecompress);

/** Handing a cluster to another thread and back costs more than expanding one of 64 KiB, some 50 µs. */
const inPlaceBytes = 128 * 1024;

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
  let expanded: Uint8Array;
  try {
    expanded =
      clusterBytes <= inPlaceBytes
        ? expandNow(packed, compression, clusterBytes)
        : await expandBeside(packed, compression, clusterBytes);
  } catch (cause) {
    throw diskErrors.corrupt({ path, what: 'a compressed cluster cannot be expanded' }, { cause });
  }
  if (expanded.length === clusterBytes) return expanded;
  throw diskErrors.corrupt({
    path,
    what: `a compressed cluster expands to ${expanded.length} bytes, not to ${clusterBytes}`,
  });
}

/** One piece of output, a little longer than needed, spares the library a turn for each of its 16 KiB. */
function limits(clusterBytes: number) {
  return { maxOutputLength: clusterBytes, chunkSize: clusterBytes + 64 };
}

function expandNow(packed: Uint8Array, compression: Compression, clusterBytes: number): Uint8Array {
  if (compression === 'zlib') return inflateRawSync(packed, limits(clusterBytes));
  return zstdDecompressSync(packed.subarray(0, zstdFrameLength(packed)), limits(clusterBytes));
}

async function expandBeside(
  packed: Uint8Array,
  compression: Compression,
  clusterBytes: number,
): Promise<Uint8Array> {
  if (compression === 'zlib') return await inflate(packed, limits(clusterBytes));
  return await unzstd(packed.subarray(0, zstdFrameLength(packed)), limits(clusterBytes));
}
