/** `inspect`: a disk and all it rests on, also when the chain is broken. */
import { stat } from 'node:fs/promises';
import { isCorralError } from '@corral/core/errors';
import { type ChainLayer, walkChain } from '../chain.ts';
import type { DiskFormat, DiskInfo, SignalOptions } from '../disk.ts';

export interface ChainOf extends SignalOptions {
  /** Of the file; recognised from its content by default. */
  readonly format?: DiskFormat | undefined;
  /** Folders in which parents may lie, besides the file's own. */
  readonly allowedFolders?: readonly string[] | undefined;
}

export interface InspectedLayer {
  readonly path: string;
  readonly info: DiskInfo;
  /** Space on the volume, less than `info.fileBytes` for a sparse file. */
  readonly occupiedBytes: number;
  /** Whether an identity in its child proved that it is the right parent; absent for the topmost. */
  readonly proved?: boolean;
}

export interface InspectReport {
  /** Topmost first. */
  readonly layers: readonly InspectedLayer[];
  /** Why the chain ends early. */
  readonly problem?: { readonly code: string; readonly message: string };
}

/** @throws what opening the file itself throws; a parent that cannot be opened is part of the report */
export async function inspectDisk(path: string, options: ChainOf = {}): Promise<InspectReport> {
  const layers: InspectedLayer[] = [];
  try {
    for await (const layer of walkChain(path, { ...options, readOnly: true })) {
      await using _ = layer.disk;
      layers.push(await describe(layer));
    }
  } catch (cause) {
    if (layers.length === 0 || !isCorralError(cause)) throw cause;
    return { layers, problem: { code: cause.code, message: cause.message } };
  }
  return { layers };
}

async function describe({ disk, path, proved }: ChainLayer): Promise<InspectedLayer> {
  const { blocks } = await stat(path);
  return { path, info: disk.info, occupiedBytes: blocks * 512, ...(proved === undefined ? {} : { proved }) };
}
