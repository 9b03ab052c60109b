/** `hash`: SHA-256 of the disk as a guest sees it, parents and zeros included. */
import { createHash } from 'node:crypto';
import { openChain } from '../chain.ts';
import { longestBridge } from '../copy-content.ts';
import type { Disk, ProgressOptions } from '../disk.ts';
import { readAhead } from '../read-ahead.ts';
import type { ChainOf } from './inspect-disk.ts';

export interface HashReport {
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Long enough that the call costs nothing beside the hash, short enough to stay in the cache. */
const zeros = new Uint8Array(2 ** 18);

export async function hashDisk(path: string, options: ChainOf & ProgressOptions = {}): Promise<HashReport> {
  await using disk = await openChain(path, { ...options, readOnly: true });
  return { sha256: await hashContent(disk, options), sizeBytes: disk.info.sizeBytes };
}

/** Zeros are not read, but they count: SHA-256 has no way around them. */
export async function hashContent(disk: Disk, options: ProgressOptions = {}): Promise<string> {
  const hash = createHash('sha256');
  const totalBytes = disk.info.sizeBytes;
  for await (const { offset, length, bytes, done } of readAhead(disk, {
    ...options,
    bridgeBytes: longestBridge,
  })) {
    if (bytes) hash.update(bytes);
    else {
      for (let at = 0; at < length; at += zeros.length) {
        // A long run of zeros reads nothing that would look at the signal.
        if (at % 2 ** 28 === 0) await pause(options);
        hash.update(length - at < zeros.length ? zeros.subarray(0, length - at) : zeros);
      }
    }
    done();
    options.onProgress?.({ doneBytes: offset + length, totalBytes });
  }
  return hash.digest('hex');
}

/** Lets timers and signals through. */
async function pause({ signal }: ProgressOptions): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
}
