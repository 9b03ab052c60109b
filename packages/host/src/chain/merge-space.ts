/** A merge stops before it fills the volume under the guest that writes beside it. */
import { stat } from 'node:fs/promises';
import type { CorralError } from '@corral/core/errors';
import { chainErrors } from '../errors.ts';
import { freeBytes } from '../storage/free-space.ts';
import type { VmHost } from '../vm/vm-host.ts';
import type { MergeRequest } from './chain-keeper.ts';

/** What is left to others. */
const leaveBytes = 64 * 2 ** 20;
const everyMs = 1_000;

/** What the file takes on its volume. */
export async function allocatedBytes(path: string): Promise<number> {
  return (await stat(path)).blocks * 512;
}

export interface SpaceWatch extends AsyncDisposable {
  /** Also aborts when the lower layer's volume is nearly full, with chain.merge-no-space, or another host's by now. */
  readonly signal: AbortSignal;
  /** What is missing now: for a merge that the volume itself has stopped. */
  readonly shortage: () => Promise<CorralError>;
}

/**
 * Looks at once, then from time to time.
 *
 * @param mayWrite rejects when the volume is no longer this host's: another one has seized it. Asked from time to time
 * @throws chain.merge-no-space where nothing can begin
 */
export async function watchSpace(
  host: VmHost,
  request: MergeRequest,
  signal: AbortSignal,
  mayWrite: () => Promise<void>,
): Promise<SpaceWatch> {
  const path = host.directory.resolveInVm(request.vmId, request.lower.path);
  const upperBytes = await allocatedBytes(host.directory.resolveInVm(request.vmId, request.upper.path));
  const lowerBytes = await allocatedBytes(path);
  const shortage = async (): Promise<CorralError> => {
    const grownBytes = Math.max(0, (await allocatedBytes(path)) - lowerBytes);
    const neededBytes = Math.max(0, upperBytes - grownBytes) + leaveBytes;
    const { vmName: vm, diskName: disk } = request;
    return chainErrors['merge-no-space']({ vm, disk, path, freeBytes: await freeBytes(path), neededBytes });
  };
  if ((await freeBytes(path)) < leaveBytes) throw await shortage();
  const short = new AbortController();
  const look = async (): Promise<void> => {
    await mayWrite();
    if ((await freeBytes(path)) < leaveBytes) short.abort(await shortage());
  };
  let looking = Promise.resolve();
  const timer = setInterval(() => {
    // A volume that cannot be asked is one that the merge had better not write to.
    looking = look().catch((cause: unknown) => short.abort(cause));
  }, everyMs);
  return {
    signal: AbortSignal.any([signal, short.signal]),
    shortage,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}
