/** A disk of a point as an NBD server serves it: what instant restore, file restore and other programs read from. */
import type { Extent as NbdExtent } from '@corral/nbd/extents';
import type { NbdExport } from '@corral/nbd/nbd-export';
import { ALLOCATION_FLAG } from '@corral/nbd/protocol';
import { blockBytes } from '../format/config.ts';
import type { StreamReader } from './stream-reader.ts';

/** Read-only. Requests may be of any size and place; zeros are told as holes. */
export function diskExport(disk: StreamReader): NbdExport {
  return {
    size: disk.sizeBytes,
    preferredBlockSize: blockBytes,
    read: (offset, length, signal) => disk.read(offset, length, signal),
    extents: (offset, length, signal) => allocation(disk, offset, length, signal),
  };
}

async function* allocation(
  disk: StreamReader,
  offset: number,
  length: number,
  signal: AbortSignal,
): AsyncIterable<NbdExtent> {
  const end = offset + length;
  let at = offset;
  for await (const extent of disk.extents(signal, { offset, length })) {
    const from = Math.max(extent.offset, offset);
    const to = Math.min(extent.offset + extent.length, end);
    if (from > at) yield hole(at, from);
    yield { offset: from, length: to - from, flags: 0 };
    at = to;
  }
  if (at < end) yield hole(at, end);
}

function hole(from: number, to: number): NbdExtent {
  return { offset: from, length: to - from, flags: ALLOCATION_FLAG.hole | ALLOCATION_FLAG.zero };
}
