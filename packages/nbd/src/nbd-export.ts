/** What an NBD server serves: a disk, as far as its functions go. */
import type { Extent } from './extents.ts';

/**
 * The functions may run side by side. Offsets and lengths lie within the disk, lengths are at least 1. `signal` aborts
 * when the client has gone. An error's `code` (or that of its cause) tells the client why: ENOSPC, EPERM, EINVAL, ...;
 * EIO otherwise.
 */
export interface NbdExport {
  /** Bytes. */
  readonly size: number;
  /** Of requests that cost the least; 4096 unless told. */
  readonly preferredBlockSize?: number;
  /** Whether a flush on one connection covers the writes of all; a read-only export always does. */
  readonly multiConnection?: boolean;
  /** Returns exactly `length` bytes, which must not change until they are sent. */
  read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array>;
  /** Absent: the export is read-only. */
  write?(offset: number, data: Buffer, signal: AbortSignal): Promise<void>;
  /** `mayTrim`: the space may be given back. */
  zero?(offset: number, length: number, mayTrim: boolean, signal: AbortSignal): Promise<void>;
  trim?(offset: number, length: number, signal: AbortSignal): Promise<void>;
  /** Brings what was written to stable storage. Needed for FUA too. */
  flush?(signal: AbortSignal): Promise<void>;
  /** The allocation from `offset` on, with the flags of `base:allocation`; in order, without gaps, not beyond the end. */
  extents?(offset: number, length: number, signal: AbortSignal): AsyncIterable<Extent> | Iterable<Extent>;
}
