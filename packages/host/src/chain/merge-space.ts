/** A merge stops before it fills the volume under the guest that writes beside it. */
import { stat } from 'node:fs/promises';
import { hostErrors } from '../errors.ts';
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

/** A signal that also aborts, with host.no-space, when the lower layer's volume is nearly full. */
export function watchSpace(
  host: VmHost,
  { vmId, lower }: MergeRequest,
  signal: AbortSignal,
): { readonly signal: AbortSignal } & AsyncDisposable {
  const path = host.directory.resolveInVm(vmId, lower.path);
  const short = new AbortController();
  let looking: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    looking = look(path, short);
  }, everyMs);
  return {
    signal: AbortSignal.any([signal, short.signal]),
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}

async function look(path: string, short: AbortController): Promise<void> {
  try {
    const free = await freeBytes(path);
    if (free < leaveBytes) {
      short.abort(hostErrors['no-space']({ path, wantedBytes: leaveBytes, freeBytes: free }));
    }
  } catch (cause) {
    // A volume that cannot be asked is one that the merge had better not write to.
    short.abort(cause);
  }
}
