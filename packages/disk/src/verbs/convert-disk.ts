/** `convert`: the content of a disk, chain and all, in a new file of any format. */
import { open } from 'node:fs/promises';
import { openChain } from '../chain.ts';
import type { ChainDisk } from '../chain-disk.ts';
import { copyContent, surveyContent } from '../copy-content.ts';
import type {
  CreateOptions,
  CreatePlan,
  Disk,
  DiskFormat,
  DiskVariant,
  ParentLink,
  ProgressOptions,
} from '../disk.ts';
import { driverOf } from '../drivers.ts';
import { writeOutput } from '../output-file.ts';
import { RawDisk } from '../raw.ts';
import { TopLayer } from '../top-layer.ts';
import { assertFits } from '../volume-limits.ts';
import type { ChainOf } from './inspect-disk.ts';

export interface ConvertOptions extends ProgressOptions {
  /** Of the source. */
  readonly source?: Omit<ChainOf, 'signal'> | undefined;
  /** Of the target. */
  readonly format: DiskFormat;
  readonly variant?: DiskVariant | undefined;
  readonly blockBytes?: number | undefined;
  readonly logicalSectorBytes?: number | undefined;
  readonly physicalSectorBytes?: number | undefined;
  readonly extendedL2?: boolean | undefined;
  /** Convert only what the topmost file says, as a difference to this parent, which must have the old one's content. */
  readonly parent?: ParentLink | undefined;
  /** Begin even if the volume may be too small for all of the data: zeros among it will take no space. */
  readonly skipSpaceCheck?: boolean | undefined;
}

export interface ConvertReport {
  readonly sizeBytes: number;
  /** Zeros added behind the end of a source that is no whole number of sectors. */
  readonly paddedBytes: number;
  /** Read from the source, and written to the target because it was not zero. */
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly fileBytes: number;
  /** The file shares its blocks with the source until either changes: nothing was read or written. */
  readonly shared: boolean;
}

/** Nothing is left behind if it fails. @throws disk.exists; disk.file-too-large; disk.no-space; disk.size-unsupported */
export async function convertDisk(
  sourcePath: string,
  targetPath: string,
  options: ConvertOptions,
): Promise<ConvertReport> {
  const { signal } = options;
  await using chain = await openChain(sourcePath, { ...options.source, signal, readOnly: true });
  return await convertChain(chain, targetPath, options);
}

/** The same of a chain that is open already; it stays open. */
export async function convertChain(
  chain: ChainDisk,
  targetPath: string,
  options: Omit<ConvertOptions, 'source'>,
): Promise<ConvertReport> {
  const driver = driverOf(options.format);
  const wanted = targetOptions(chain, options);
  const plan = driver.plan(wanted);
  const source = options.parent ? new TopLayer(chain, plan.grainBytes) : chain;
  const survey = await surveyContent(source, plan.blockBytes, options);
  return await writeOutput(targetPath, async (temporary) => {
    if (await shareWhole(chain, options, temporary)) return sharedReport(chain.info.sizeBytes);
    await assertFits(targetPath, temporary, needs(plan, survey.blockBytes, options));
    const target = await driver.create(temporary, wanted);
    try {
      const copied = await copyContent(source, target, { ...options, totalBytes: survey.dataBytes });
      await target.close();
      const { sizeBytes, fileBytes } = target.info;
      const paddedBytes = sizeBytes - source.info.sizeBytes;
      return { ...copied, sizeBytes, fileBytes, paddedBytes, shared: false };
    } finally {
      await target.close();
    }
  });
}

/** From raw to raw nothing is converted: where the file system shares blocks, that is the whole work. */
async function shareWhole(
  chain: ChainDisk,
  options: Omit<ConvertOptions, 'source'>,
  temporary: string,
): Promise<boolean> {
  const [top, ...parents] = chain.layers;
  if (!(top?.disk instanceof RawDisk) || parents.length > 0) return false;
  if (options.format !== 'raw' || options.variant === 'fixed') return false;
  if (!(await top.disk.shareAs(temporary))) return false;
  await using file = await open(temporary, 'r+');
  await file.chmod(0o600);
  await file.sync();
  return true;
}

function sharedReport(sizeBytes: number): ConvertReport {
  return { sizeBytes, fileBytes: sizeBytes, paddedBytes: 0, readBytes: 0, writtenBytes: 0, shared: true };
}

function targetOptions(source: Disk, options: Omit<ConvertOptions, 'source'>): CreateOptions {
  const { sizeBytes, logicalSectorBytes } = source.info;
  const keepsSector = options.format === 'vhdx';
  const sector = options.logicalSectorBytes ?? (keepsSector ? logicalSectorBytes : undefined);
  const step = options.format === 'raw' ? 1 : (sector ?? 512);
  return {
    sizeBytes: Math.ceil(sizeBytes / step) * step,
    variant: options.variant,
    blockBytes: options.blockBytes,
    logicalSectorBytes: sector,
    physicalSectorBytes: options.physicalSectorBytes,
    extendedL2: options.extendedL2,
    parent: options.parent,
    scratch: true,
    signal: options.signal,
  };
}

function needs(
  plan: CreatePlan,
  blockBytes: number,
  options: Pick<ConvertOptions, 'format' | 'skipSpaceCheck'>,
) {
  const fileBytes = plan.fileBytes(blockBytes);
  const sparse = options.format === 'raw' && plan.variant !== 'fixed';
  const occupiedBytes = plan.variant === 'fixed' ? plan.emptyFileBytes : sparse ? blockBytes : fileBytes;
  return { fileBytes, occupiedBytes: options.skipSpaceCheck ? 0 : occupiedBytes };
}
