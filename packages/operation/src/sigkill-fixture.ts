/** An operation on real files, and a daemon that runs it: what sigkill.test.ts kills. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteStore } from '@corral/store/sqlite-store';
import { type Fault, faultObserver, parseFaults } from './fault.ts';
import { defineOperation } from './operation.ts';
import { openOperationEngine } from './operation-engine.ts';
import { OperationRegistry } from './operation-registry.ts';

interface Results {
  'make-folder': { folder: string };
  'make-file': null;
  publish: null;
  announce: null;
}

/** Makes `draft/content`, renames it to `done`, the point of no return, and writes `announced`. */
export const makeThing = defineOperation<{ root: string }, Results>({
  kind: 'test.make-thing',
  input: (json) => json as { root: string },
  target: () => ['thing'],
  title: () => 'Make a thing',
  cancellable: true,
  steps: [
    {
      name: 'make-folder',
      run: async ({ input }) => {
        const folder = join(input.root, 'draft');
        await mkdir(folder, { recursive: true });
        return { folder };
      },
      undo: ({ input }) => rm(join(input.root, 'draft'), { recursive: true, force: true }),
    },
    {
      name: 'make-file',
      run: async ({ result }) => {
        await writeFile(join(result('make-folder').folder, 'content'), 'content');
        return null;
      },
      undo: ({ input }) => rm(join(input.root, 'draft', 'content'), { force: true }),
    },
    {
      name: 'publish',
      pivot: true,
      run: async ({ input, result, attempt }) => {
        try {
          await rename(result('make-folder').folder, join(input.root, 'done'));
        } catch (e) {
          // Renamed before a crash: the step was not recorded as done, and there is nothing more to do.
          if (attempt === 1 || !(e instanceof Error && 'code' in e && e.code === 'ENOENT')) throw e;
        }
        return null;
      },
    },
    {
      name: 'announce',
      run: async ({ input }) => {
        await writeFile(join(input.root, 'announced'), '');
        return null;
      },
    },
  ],
});

export async function openDaemon(file: string, faults: readonly Fault[]) {
  const store = await openSqliteStore({ file });
  const engine = await openOperationEngine({
    store,
    registry: new OperationRegistry([makeThing]),
    owner: 'node1',
    observer: faultObserver(faults),
    limits: { firstDelayMs: 1, longestDelayMs: 1 },
  });
  return { store, engine };
}

/** Takes up what is there, then makes the thing. Meant to die before it returns. */
export async function serve(file: string, root: string, faults: string): Promise<void> {
  const { engine } = await openDaemon(file, parseFaults(faults));
  const resumed = await engine.resumeAll();
  for (const { id } of resumed) await engine.wait(id);
  if (resumed.length === 0) await engine.wait((await engine.start(makeThing, { root })).id);
}
