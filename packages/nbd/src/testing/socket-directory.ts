/** For tests: a path for a socket in a directory of its own, which is removed at the end. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export async function socketDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'corral-nbd-'));
  return {
    path: join(directory, 'socket'),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}
