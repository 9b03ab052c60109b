/** `map`: which part of the disk comes from which file. */
import { openChain } from '../chain.ts';
import type { Extent } from '../disk.ts';
import type { ChainOf } from './inspect-disk.ts';

export interface MappedExtent extends Extent {
  /** The file that decides: the one with the data or the zeros, or the last of the chain for a hole. */
  readonly path: string;
}

/** In order and without gaps; neighbours of one kind in one file are one. */
export async function* mapDisk(path: string, options: ChainOf = {}): AsyncGenerator<MappedExtent> {
  await using disk = await openChain(path, { ...options, readOnly: true });
  let pending: MappedExtent | undefined;
  for await (const extent of disk.extents(undefined, options)) {
    if (pending && pending.kind === extent.kind && pending.layer === extent.layer) {
      pending = { ...pending, length: pending.length + extent.length };
      continue;
    }
    if (pending) yield pending;
    pending = { ...extent, path: disk.layers[extent.layer]!.path };
  }
  if (pending) yield pending;
}
