/**
 * The first look at an image from elsewhere, before any other program sees it (docs/architecture.md, invariant 5):
 * what it is, and whether it stands alone or on parents that the format proves.
 */
import { stat } from 'node:fs/promises';
import { formatSize } from '@corral/core/units';
import { type ChainLayer, walkChain } from './chain.ts';
import { ChainDisk } from './chain-disk.ts';
import type { DiskFormat, DiskInfo, SignalOptions } from './disk.ts';
import { diskDrivers, driverOf, readEnds } from './drivers.ts';
import { diskErrors } from './errors.ts';
import { otherFormatOf } from './other-formats.ts';

export interface ForeignOptions extends SignalOptions {
  /** Insist on it. Without it the content decides, and what only looks raw is refused. */
  readonly format?: DiskFormat | undefined;
  /** 64 TiB by default. */
  readonly maxBytes?: number | undefined;
  /**
   * Follow parents in the image's own folder. Each must be proved by the identity that its child stores (VHD, VHDX):
   * a name alone, all that qcow2 has, could make any file of that folder part of the disk.
   */
  readonly provedParents?: boolean | undefined;
  /**
   * With `provedParents`: follow names alone, too, for somebody who is told each file of the chain. Only to files that
   * are disks by their content: as raw, whatever lies in the folder would be one.
   */
  readonly namedParents?: boolean | undefined;
}

export interface ForeignLayer {
  /** Without symbolic links. */
  readonly path: string;
  readonly info: DiskInfo;
}

export interface ForeignImage {
  /** Of the image itself, whatever it rests on. */
  readonly info: DiskInfo;
  /** Bytes that the file, and those it rests on, hold as data. */
  readonly allocatedBytes: number;
  /** Topmost first; one unless parents were asked for. */
  readonly layers: readonly ForeignLayer[];
}

const defaultMaxBytes = 2 ** 46;
/** Hyper-V makes 50 checkpoints at most. Each file of a chain may take tens of MiB for its tables. */
const maxForeignDepth = 64;

/**
 * Opens the image read-only and refuses what would make it depend on, or reveal, anything else.
 *
 * @throws disk.foreign-refused; disk.unsupported-feature; disk.corrupt; disk.truncated; disk.unknown-format; with
 * `provedParents` also what `walkChain` throws
 */
export async function openForeign(path: string, options: ForeignOptions = {}): Promise<ChainDisk> {
  const format = await foreignFormat(path, options);
  const layers: ChainLayer[] = [];
  try {
    for await (const layer of walkForeign(path, format, options)) {
      layers.push(layer);
      if (layers.length > maxForeignDepth)
        throw diskErrors['chain-too-deep']({ path, depth: maxForeignDepth });
      refuseUnproved(path, layer, options);
    }
    refuseSize(path, layers[0]!.disk.info.sizeBytes, options.maxBytes ?? defaultMaxBytes);
    return new ChainDisk(layers);
  } catch (cause) {
    for (const { disk } of layers) await disk.close();
    throw cause;
  }
}

/** Looks at the image, and checks the structure of each of its files. @throws as `openForeign` */
export async function inspectForeign(path: string, options: ForeignOptions = {}): Promise<ForeignImage> {
  await using chain = await openForeign(path, options);
  let allocatedBytes = 0;
  for (const layer of chain.layers) {
    allocatedBytes += await checkedBytes(layer.path, layer.disk.info.format, options);
  }
  const layers = chain.layers.map(({ disk, path: file }) => ({ path: file, info: disk.info }));
  return { info: chain.info, allocatedBytes, layers };
}

/** What the file is, or what was insisted on. */
async function foreignFormat(path: string, options: ForeignOptions): Promise<DiskFormat> {
  const { header, tail } = await readEnds(path, options);
  if (!(await stat(path)).isFile()) throw refusal(path, 'it is not a file', 'Copy it into a file first.');
  if (options.format !== undefined) return options.format;
  const other = otherFormatOf(header);
  if (other !== undefined) {
    const fix = 'Unpack it, or convert it with "qemu-img convert" first.';
    throw refusal(path, `it is a file of the kind ${other}`, fix);
  }
  return diskDrivers.find((driver) => driver.probe(header, tail))?.format ?? 'raw';
}

/** The image alone, unless its parents are wanted. */
async function* walkForeign(
  path: string,
  format: DiskFormat,
  options: ForeignOptions,
): AsyncGenerator<ChainLayer> {
  const { signal } = options;
  if (options.provedParents) yield* walkChain(path, { readOnly: true, format, signal });
  else yield { disk: await driverOf(format).open(path, { readOnly: true, signal }), path };
}

/** Before the parent is opened: what cannot be proved is not even looked at. */
function refuseUnproved(image: string, { disk, path }: ChainLayer, options: ForeignOptions): void {
  const { parent } = disk.info;
  if (!parent) return;
  if (options.provedParents && parent.identity?.dataWriteId !== undefined) return;
  const owner = image === path ? 'it' : path;
  const name = parent.paths[0]?.path ?? '';
  if (options.provedParents && options.namedParents) {
    if (parent.format !== 'raw') return;
    const convert = 'Convert that file to qcow2, and the link with "qemu-img rebase -u".';
    throw refusal(image, `${owner} rests on a raw file ("${name}"), which could be any file`, convert);
  }
  const fix = 'Convert it together with its parents first ("corral disk convert").';
  throw refusal(image, `${owner} rests on another file ("${name}")`, fix);
}

function refuseSize(path: string, sizeBytes: number, maxBytes: number): void {
  if (sizeBytes === 0) throw refusal(path, 'its disk has no bytes', 'Check that it was copied whole.');
  if (sizeBytes <= maxBytes) return;
  const reason = `its disk has ${formatSize(sizeBytes)}, more than ${formatSize(maxBytes)}`;
  throw refusal(path, reason, 'Shrink it first.');
}

async function checkedBytes(path: string, format: DiskFormat, options: SignalOptions): Promise<number> {
  const report = await driverOf(format).check(path, { signal: options.signal });
  const worst = report.problems.find(({ kind }) => kind === 'corruption');
  if (worst) {
    throw refusal(path, `it is damaged: ${worst.message}`, 'Copy it again from where it came.');
  }
  return report.allocatedBytes;
}

function refusal(path: string, reason: string, fix: string): Error {
  return diskErrors['foreign-refused']({ path, reason, fix });
}
