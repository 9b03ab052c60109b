/**
 * Writes a point from disks that can be read, in one call: asks each disk what must be read, reads ahead of the
 * writer within a bound, and seals. `PointWriter` is below it, for who brings data in another way.
 */
import { abortErrors } from '@corral/core/abort';
import type { Repository } from '../repository.ts';
import type { Point } from './point.ts';
import type { NewPoint, PointDetails, PointWriter } from './point-writer.ts';
import type { Extent } from './stream-reader.ts';

/** What a disk must tell. A range may be cut as its source likes; a smaller piece than a block costs a read of the rest. */
export interface SourceExtent extends Extent {
  /** True: the range reads as zeros and need not be read. */
  readonly isZero?: boolean | undefined;
}

export interface DiskSource {
  readonly name: string;
  readonly sizeBytes: number;
  /** False: whatever the base holds of this disk, it is read in full. */
  readonly useBase?: boolean | undefined;
  /**
   * What to read. `since` is the id of the base point: a superset of what changed since then, ranges that became zero
   * among it. Null: every range that may hold data, on a disk of zeros. Ranges must not overlap.
   */
  extents(since: string | null, signal: AbortSignal): AsyncIterable<SourceExtent> | Iterable<SourceExtent>;
  /** Exactly `length` bytes; called several times at once, in the order of the extents. */
  read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array>;
}

export interface WritePointOptions {
  /**
   * Of the new point, never used before; default: a new one. An operation that records it beforehand knows after a crash
   * whether the point was made, and gives up the session of its dead try by it (`giveUpSessions`).
   */
  readonly id?: string | undefined;
  readonly vm: NewPoint['vm'];
  readonly disks: readonly DiskSource[];
  /** Files beside the disks: settings, firmware variables, TPM state. At most 64 MiB each. */
  readonly documents?: readonly { readonly name: string; readonly content: Buffer }[] | undefined;
  /** Id of the point to build on. If it is gone or harmed, the disks are read in full. */
  readonly base?: string | undefined;
  /** Called when everything is stored, before the point is made: what is known only then (how long, what was audited). */
  readonly details: () => PointDetails | Promise<PointDetails>;
  /** Told after each piece, and awaited: a limit of bandwidth may delay here. */
  readonly onRead?: ((disk: string, bytes: number) => void | Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** So much is asked for at once, and so many pieces are read ahead of the writer: 8 MiB in memory. */
const pieceBytes = 2 ** 20;
const piecesAhead = 8;

/**
 * Either the point is there when this resolves, or none is; what was stored on the way is used by the next backup or
 * pruned. Memory does not grow with the disks.
 *
 * @throws repository.revoked, repository.store, repository.range; what a source throws
 */
export async function writePoint(repository: Repository, options: WritePointOptions): Promise<Point> {
  const { id, vm, base, disks } = options;
  // Ends the reads ahead when the writer fails.
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  await using writer = await repository.beginPoint({
    id,
    vm,
    base,
    disks: disks.map(({ name, sizeBytes, useBase }) => ({ name, sizeBytes, useBase })),
    signal,
  });
  try {
    for (const disk of disks) await copyDisk(writer, disk, options, signal);
    for (const { name, content } of options.documents ?? []) await writer.putDocument(name, content);
    return await writer.seal(await options.details(), signal);
  } finally {
    stop.abort(abortErrors.cancelled({ what: `Reading ahead for backup ${writer.id}` }));
  }
}

interface Piece extends SourceExtent {
  readonly data: Promise<Uint8Array> | undefined;
}

async function copyDisk(
  writer: PointWriter,
  disk: DiskSource,
  options: WritePointOptions,
  signal: AbortSignal,
): Promise<void> {
  const since = writer.isIncremental(disk.name) ? (writer.base?.id ?? null) : null;
  const ahead: Piece[] = [];
  for await (const piece of piecesOf(disk.extents(since, signal))) {
    const data = piece.isZero ? undefined : disk.read(piece.offset, piece.length, signal);
    // If an earlier piece fails, nobody awaits this one; whoever does gets the same failure.
    data?.catch(() => undefined);
    ahead.push({ ...piece, data });
    if (ahead.length >= piecesAhead) await writePiece(writer, disk, ahead.shift()!, options, signal);
  }
  for (const piece of ahead) await writePiece(writer, disk, piece, options, signal);
}

async function writePiece(
  writer: PointWriter,
  { name }: DiskSource,
  piece: Piece,
  options: WritePointOptions,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  if (!piece.data) return await writer.zero(name, piece.offset, piece.length);
  const data = await piece.data;
  await writer.write(name, piece.offset, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  await options.onRead?.(name, data.byteLength);
}

/** Pieces end at multiples of their size, so that no block is cut in two by us. */
async function* piecesOf(
  extents: AsyncIterable<SourceExtent> | Iterable<SourceExtent>,
): AsyncIterable<SourceExtent> {
  for await (const { offset, length, isZero } of extents) {
    if (isZero) {
      yield { offset, length, isZero };
      continue;
    }
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const next = Math.min(end, (Math.floor(at / pieceBytes) + 1) * pieceBytes);
      yield { offset: at, length: next - at };
      at = next;
    }
  }
}
