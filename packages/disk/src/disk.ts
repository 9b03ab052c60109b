/**
 * One interface for a disk in a file, whatever its format.
 *
 * A `Disk` from a driver is one **layer**: it knows what its own file holds and that it has a parent, but never opens
 * the parent. `chain.ts` stacks layers into a `Disk` that shows what a guest sees. Offsets, lengths and sizes are
 * bytes as `number`: 64 TiB is 2^46, well below 2^53.
 */

export type DiskFormat = 'raw' | 'qcow2' | 'vhd' | 'vhdx';
export const diskFormats: readonly DiskFormat[] = ['raw', 'qcow2', 'vhd', 'vhdx'];

/** `differencing` is a dynamic layout with a parent. */
export type DiskVariant = 'fixed' | 'dynamic' | 'differencing';

export interface Range {
  readonly offset: number;
  readonly length: number;
}

/**
 * `data`: this layer has bytes. `zero`: this layer says the range reads as zero, whatever a parent holds.
 * `hole`: this layer has nothing; the parent decides, and without one the range reads as zero.
 */
export type ExtentKind = 'data' | 'zero' | 'hole';

export interface Extent extends Range {
  readonly kind: ExtentKind;
  /** 0 is the layer asked, n its n-th parent. A driver always says 0; only a chain says more. */
  readonly layer: number;
}

/**
 * What a child's link to its parent is checked against. Both are UUIDs in lower case, without braces.
 * A format that stores no identity (raw, qcow2) leaves both out; such a link cannot be proved from the files.
 */
export interface DiskIdentity {
  /** Stays with the disk through its chain, VHDX VirtualDiskId. */
  readonly id?: string;
  /** Changes with the content that a guest can see: VHDX DataWriteGuid; VHD unique id, which changes only on creation. */
  readonly dataWriteId?: string;
}

export interface ParentPath {
  readonly kind: 'relative' | 'absolute' | 'volume';
  /**
   * As the file stores it; Windows paths keep their backslashes. Trust nothing of it: images are hostile.
   * For an absolute Windows path the chain tries the file name beside the child.
   */
  readonly path: string;
}

export interface ParentLink {
  readonly format?: DiskFormat;
  /** In the order in which the format wants them tried. */
  readonly paths: readonly ParentPath[];
  /** What the parent's own identity must equal; absent where the format records none. */
  readonly identity?: DiskIdentity;
  /** Accepted as well: VHDX's parent_linkage2, written while a merge changes the parent. */
  readonly identity2?: DiskIdentity;
}

export interface DiskInfo {
  readonly format: DiskFormat;
  readonly variant: DiskVariant;
  /** Size that a guest sees. */
  readonly sizeBytes: number;
  /** Length of the file; the space it occupies may be less. */
  readonly fileBytes: number;
  /** Allocation unit: cluster or block. 1 for a format without any (raw, fixed VHD). */
  readonly blockBytes: number;
  /**
   * The smallest aligned piece that this layer can hold by itself. A write to a hole that covers a part of a grain
   * makes the rest of the grain zero in this layer; a chain reads the rest from the parents first.
   */
  readonly grainBytes: number;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly identity: DiskIdentity;
  readonly parent?: ParentLink;
  /** When the file was made, RFC 3339, where the format stores it: VHD. As the file says: trust nothing of it. */
  readonly createdAt?: string;
  /** The file was not closed cleanly: dirty bit (qcow2), log to replay (VHDX), footer copies that differ (VHD). */
  readonly dirty: boolean;
  /** What only this format has, by plain names, for people and for `inspect`. */
  readonly details: Readonly<Record<string, DetailValue>>;
}

export type DetailValue =
  | string
  | number
  | boolean
  | null
  | readonly DetailValue[]
  | { readonly [name: string]: DetailValue };

export interface SignalOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Progress of long work. `doneBytes` never goes back, `totalBytes` may grow while the work learns its size. */
export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface ProgressOptions extends SignalOptions {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * An open disk. Reads may overlap each other. Writes, zeros and flushes of one disk run one after another: the caller
 * awaits each, or sends them at once and the disk puts them in a row.
 */
export interface Disk extends AsyncDisposable {
  /** As the file is now; it changes with writes (`fileBytes`, `identity`, `dirty`). */
  readonly info: DiskInfo;
  readonly path: string;
  readonly readOnly: boolean;

  /**
   * What lies where, in order, without gaps, from `range.offset` to its end. Neighbours of one kind may be merged or
   * cut in any way. Without a range: the whole disk. Costs metadata only; it reads no data.
   *
   * @throws disk.out-of-range; disk.corrupt
   */
  extents(range?: Range, options?: SignalOptions): AsyncIterable<Extent>;

  /**
   * Fills `target` wholly. Holes of this layer read as zero.
   *
   * @throws disk.out-of-range; disk.corrupt; disk.io
   */
  read(target: Uint8Array, offset: number, options?: SignalOptions): Promise<void>;

  /**
   * Any offset and length inside the disk; see `DiskInfo.grainBytes` for writes to holes.
   * On disk only after `flush`. `source` must not change until the promise settles.
   *
   * @throws disk.read-only; disk.out-of-range; disk.io
   */
  write(source: Uint8Array, offset: number, options?: SignalOptions): Promise<void>;

  /**
   * Makes the range read as zero in this layer, freeing space where the format can. Under a parent the range becomes
   * `zero`, not `hole`. Parts of a grain are written as zeros; the rest of such a grain follows the rule of `write`.
   */
  zero(offset: number, length: number, options?: SignalOptions): Promise<void>;

  /** When it resolves, all that was written survives a power cut, in an order that leaves a file that opens. */
  flush(options?: SignalOptions): Promise<void>;

  /** Flushes and marks the file clean. Repeatable. `await using` does the same. */
  close(): Promise<void>;
}

/** What reading takes. */
export type DiskSource = Pick<Disk, 'info' | 'extents' | 'read'>;

export function wholeDisk(disk: Pick<Disk, 'info'>): Range {
  return { offset: 0, length: disk.info.sizeBytes };
}

export interface OpenOptions extends SignalOptions {
  readonly readOnly: boolean;
}

export interface CreateOptions extends SignalOptions {
  readonly sizeBytes: number;
  /** `dynamic` by default, `differencing` exactly when there is a `parent`. */
  readonly variant?: DiskVariant | undefined;
  /** Cluster or block size; each format has its default and its bounds. */
  readonly blockBytes?: number | undefined;
  /** 512 by default, 4096 where the format has it. */
  readonly logicalSectorBytes?: number | undefined;
  readonly physicalSectorBytes?: number | undefined;
  /** The parent that this disk is a difference to. The driver writes the link, it opens nothing. */
  readonly parent?: ParentLink | undefined;
  /** Of the new disk; a random one by default. VHDX: a child keeps its parent's `id`. */
  readonly identity?: DiskIdentity | undefined;
  /** qcow2: 32 subclusters to a cluster. */
  readonly extendedL2?: boolean | undefined;
  /**
   * Nobody sees the file before it is closed, as when it is renamed into place at the end: a driver may leave out all
   * barriers and logs but the flush at the close. A crash then leaves a file that is worth nothing.
   */
  readonly scratch?: boolean | undefined;
}

/** What a new file would be, computed before anything is written. */
export interface CreatePlan {
  readonly variant: DiskVariant;
  /** The size as the format stores it; equals the one asked for. */
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly grainBytes: number;
  /** Upper bound of the length of the file while it holds no data (all of a fixed disk). */
  readonly emptyFileBytes: number;
  /** Upper bound of the length of the file when `dataBytes`, counted in whole blocks, are allocated. */
  fileBytes(dataBytes: number): number;
}

export type ProblemKind =
  /** Space that nothing uses: harmless, `repair` gives it back. */
  | 'leak'
  /** The file contradicts itself: content may be lost. */
  | 'corruption'
  /** Unusual or unclean, but the content is right. */
  | 'note';

export interface CheckProblem {
  readonly kind: ProblemKind;
  /** Plain English, names the structure. */
  readonly message: string;
  /** Where in the file, if at one place. */
  readonly fileOffset?: number | undefined;
  readonly repaired: boolean;
}

export interface CheckReport {
  readonly format: DiskFormat;
  /** Nothing to repair is left. */
  readonly ok: boolean;
  /** At most the first 1,000; `problemCount` counts all. */
  readonly problems: readonly CheckProblem[];
  readonly problemCount: number;
  readonly leakedBytes: number;
  /** Guest-visible bytes that the file holds as data. */
  readonly allocatedBytes: number;
}

export interface CheckOptions extends ProgressOptions {
  /** Give back leaks, replay a log into the file, restore a damaged copy from a good one. Never guesses content. */
  readonly repair?: boolean | undefined;
}

export interface ResizeOptions extends ProgressOptions {
  /** Without it a smaller size is refused: what lies behind the new end is lost. */
  readonly shrink?: boolean | undefined;
  /**
   * Size of the parent of a differencing disk. New space must hide what a longer parent has there; without this size
   * the driver takes the parent to be as long as the new disk, which may cost metadata for nothing.
   */
  readonly parentBytes?: number | undefined;
}

/** Length of the file, and space that it takes on its volume, which for a sparse file is less. */
export interface CompactReport {
  readonly fileBytesBefore: number;
  readonly fileBytesAfter: number;
  readonly occupiedBytesBefore: number;
  readonly occupiedBytesAfter: number;
}

/** A format: recognise, open, create, and what is done on the whole file. Every path is a plain file-system path. */
export interface DiskDriver {
  readonly format: DiskFormat;

  /**
   * Whether the content is of this format. `header` is the file's first 1 MiB at most, `tail` its last 4 KiB at most.
   * Raw always says no: it is what remains.
   */
  probe(header: Uint8Array, tail: Uint8Array): boolean;

  open(path: string, options: OpenOptions): Promise<Disk>;

  /** @throws disk.unsupported-option, disk.size-unsupported: what the format cannot hold is refused here. */
  plan(options: CreateOptions): CreatePlan;

  /** Makes a new file and opens it for writing. An existing one is refused, never truncated. */
  create(path: string, options: CreateOptions): Promise<Disk>;

  check(path: string, options?: CheckOptions): Promise<CheckReport>;

  /** In place, crash-safe; the guest's view grows with zeros, or is cut when `shrink` allows it. */
  resize(path: string, sizeBytes: number, options?: ResizeOptions): Promise<void>;

  /** Gives space back to the file system: blocks of zeros, blocks that nothing uses, and the tail of the file. */
  compact(path: string, options?: ProgressOptions): Promise<CompactReport>;
}
