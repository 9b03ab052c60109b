/** Raw disks: the file is the disk. Holes of the file are told as zeros; block devices pass through. */
import type {
  CheckOptions,
  CheckReport,
  CompactReport,
  CreateOptions,
  CreatePlan,
  Disk,
  DiskDriver,
  DiskInfo,
  Extent,
  OpenOptions,
  ProgressOptions,
  Range,
  ResizeOptions,
  SignalOptions,
} from './disk.ts';
import { diskErrors } from './errors.ts';
import { DiskFile } from './file.ts';
import { LayerDisk } from './layer.ts';
import { isZero } from './zeros.ts';

const sectorBytes = 512;
/** File systems give back space in pages; looking for smaller runs of zeros frees nothing. */
const holeBytes = 4096;
const pieceBytes = 2 ** 20;

export class RawDisk extends LayerDisk {
  readonly #file: DiskFile;
  readonly #variant: 'fixed' | 'dynamic';

  constructor(file: DiskFile, readOnly: boolean, variant: 'fixed' | 'dynamic') {
    super(file.path, readOnly);
    this.#file = file;
    this.#variant = variant;
  }

  get info(): DiskInfo {
    return {
      format: 'raw',
      variant: this.#variant,
      sizeBytes: this.#file.length,
      fileBytes: this.#file.length,
      blockBytes: 1,
      grainBytes: 1,
      logicalSectorBytes: sectorBytes,
      physicalSectorBytes: sectorBytes,
      identity: {},
      dirty: false,
      details: {},
    };
  }

  protected async *extentsLayer(range: Range, options: SignalOptions): AsyncGenerator<Extent> {
    let at = range.offset;
    for (const data of this.#file.dataRanges(range)) {
      options.signal?.throwIfAborted();
      if (data.offset > at) yield { offset: at, length: data.offset - at, kind: 'zero', layer: 0 };
      yield { ...data, kind: 'data', layer: 0 };
      at = data.offset + data.length;
    }
    const end = range.offset + range.length;
    if (at < end) yield { offset: at, length: end - at, kind: 'zero', layer: 0 };
  }

  protected readLayer(target: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    return this.#file.readExact(target, offset, 'content', options);
  }

  protected writeLayer(source: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    return this.#file.writeAll(source, offset, options);
  }

  protected zeroLayer(offset: number, length: number, options: SignalOptions): Promise<void> {
    return this.#file.punch(offset, length, options);
  }

  /** A new file of the same content that costs no space. @returns whether the file system can do that */
  async shareAs(path: string): Promise<boolean> {
    return this.#file.isRegular && (await this.#file.shareAs(path));
  }

  protected flushLayer(): Promise<void> {
    return this.#file.sync();
  }

  protected releaseLayer(): Promise<void> {
    return this.#file.close();
  }
}

async function open(path: string, options: OpenOptions): Promise<Disk> {
  options.signal?.throwIfAborted();
  const file = await DiskFile.open(path, options.readOnly ? 'read' : 'write');
  const sparse = file.isRegular && (await file.occupiedBytes()) < file.length;
  return new RawDisk(file, options.readOnly, sparse ? 'dynamic' : 'fixed');
}

function plan(options: CreateOptions): CreatePlan {
  const { sizeBytes } = options;
  const refuse = (what: string, fix: string): never => {
    throw diskErrors['unsupported-option']({ format: 'raw', what, fix });
  };
  if (options.parent || options.variant === 'differencing')
    refuse('it has no parents', 'Choose qcow2 or vhdx.');
  if (options.blockBytes !== undefined) refuse('it has no blocks', 'Leave the block size out.');
  if (options.extendedL2) refuse('it has no subclusters', 'Choose qcow2.');
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw diskErrors['size-unsupported']({
      format: 'raw',
      sizeBytes,
      rule: 'the size is a whole number of bytes',
    });
  }
  return {
    variant: options.variant ?? 'dynamic',
    sizeBytes,
    blockBytes: 1,
    grainBytes: 1,
    emptyFileBytes: sizeBytes,
    fileBytes: () => sizeBytes,
  };
}

async function create(path: string, options: CreateOptions): Promise<Disk> {
  const { sizeBytes, variant } = plan(options);
  options.signal?.throwIfAborted();
  const file = await DiskFile.open(path, 'create');
  try {
    if (variant === 'fixed' && sizeBytes > 0) await file.reserve(0, sizeBytes);
    else await file.truncate(sizeBytes);
    return new RawDisk(file, false, variant === 'fixed' ? 'fixed' : 'dynamic');
  } catch (cause) {
    await file.close();
    throw cause;
  }
}

async function check(path: string, options: CheckOptions = {}): Promise<CheckReport> {
  options.signal?.throwIfAborted();
  await using file = await DiskFile.open(path, 'read');
  let allocatedBytes = 0;
  for (const range of file.dataRanges({ offset: 0, length: file.length })) allocatedBytes += range.length;
  return { format: 'raw', ok: true, problems: [], problemCount: 0, leakedBytes: 0, allocatedBytes };
}

async function resize(path: string, sizeBytes: number, options: ResizeOptions = {}): Promise<void> {
  plan({ sizeBytes });
  options.signal?.throwIfAborted();
  await using file = await DiskFile.open(path, 'write');
  if (sizeBytes < file.length && !options.shrink) {
    throw diskErrors['shrink-refused']({ path, from: file.length, to: sizeBytes });
  }
  await file.truncate(sizeBytes);
  await file.sync();
}

async function compact(path: string, options: ProgressOptions = {}): Promise<CompactReport> {
  await using file = await DiskFile.open(path, 'write');
  const occupiedBytesBefore = await file.occupiedBytes();
  const totalBytes = file.length;
  const buffer = new Uint8Array(pieceBytes);
  for (const range of [...file.dataRanges({ offset: 0, length: totalBytes })]) {
    for (let at = range.offset; at < range.offset + range.length; at += pieceBytes) {
      const piece = buffer.subarray(0, Math.min(pieceBytes, range.offset + range.length - at));
      await file.readExact(piece, at, 'content', options);
      await punchZeros(file, piece, at, options);
      options.onProgress?.({ doneBytes: at + piece.length, totalBytes });
    }
  }
  await file.sync();
  const occupiedBytesAfter = await file.occupiedBytes();
  return { fileBytesBefore: totalBytes, fileBytesAfter: totalBytes, occupiedBytesBefore, occupiedBytesAfter };
}

async function punchZeros(file: DiskFile, bytes: Uint8Array, offset: number, options: SignalOptions) {
  let start = -1;
  for (let at = 0; at <= bytes.length; at += holeBytes) {
    const zero = at < bytes.length && isZero(bytes.subarray(at, at + holeBytes));
    if (zero && start < 0) start = at;
    if (!zero && start >= 0) {
      await file.punch(offset + start, Math.min(at, bytes.length) - start, options);
      start = -1;
    }
  }
}

export const rawDriver: DiskDriver = {
  format: 'raw',
  probe: () => false,
  open,
  plan,
  create,
  check,
  resize,
  compact,
};
