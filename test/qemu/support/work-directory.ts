/** A directory for one test, removed at the end. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface WorkDirectory extends AsyncDisposable {
  readonly path: string;
  file(name: string): string;
}

export async function workDirectory(): Promise<WorkDirectory> {
  const path = await mkdtemp(join(tmpdir(), 'corral-qemu-'));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}
