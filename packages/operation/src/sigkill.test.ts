/** A daemon killed with SIGKILL at each point of an operation, its store a real file, its steps on real files. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { finalStates } from './operation.ts';
import { crashScenarios } from './operation-testing.ts';
import { makeThing, openDaemon } from './sigkill-fixture.ts';

const fixture = new URL('sigkill-fixture.ts', import.meta.url).href;

/** @returns the signal that ended it */
async function serveUntilDeath(file: string, root: string, faults: string): Promise<string | null> {
  const script = `import { serve } from ${JSON.stringify(fixture)};
    await serve(${[file, root, faults].map((text) => JSON.stringify(text)).join(', ')});`;
  const env = { NODE_COMPILE_CACHE: compileCache, ...process.env };
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit', env });
  const [, signal] = await once(child, 'exit');
  return signal;
}

const deaths = crashScenarios(makeThing)
  .filter(({ faults }) => faults.some((fault) => fault.endsWith('=halt')))
  .map(({ name, faults }) => ({
    name,
    faults: faults.map((fault) => fault.replace('=halt', '=kill-daemon')),
  }));

/** The daemons all load the same code: most of what they would take otherwise. */
const compileCache = await mkdtemp(join(tmpdir(), 'corral-kill-'));
after(() => rm(compileCache, { recursive: true }));

describe('SIGKILL', { concurrency: 2 }, () => {
  for (const { name, faults } of deaths) {
    test(name, { timeout: 30_000 }, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'corral-kill-'));
      const root = join(directory, 'root');
      try {
        await mkdir(root);
        const file = join(directory, 'store.sqlite');
        assert.equal(await serveUntilDeath(file, root, faults.join(',')), 'SIGKILL');
        await checkAfterDeath(file, root);
      } finally {
        await rm(directory, { recursive: true });
      }
    });
  }
});

async function checkAfterDeath(file: string, root: string): Promise<void> {
  const { store, engine } = await openDaemon(file, []);
  try {
    await engine.resumeAll();
    const [operation] = (await engine.list()).items;
    assert.ok(operation, 'it was recorded before it began');
    const ended = await engine.wait(operation.id);
    assert.ok(finalStates.has(ended.state));
    const whole = ['announced', 'done'];
    assert.deepEqual(await readdir(root), ended.state === 'succeeded' ? whole : [], ended.state);
    assert.deepEqual((await store.list('operation-lock/')).entries, []);
    if (ended.state !== 'succeeded') await engine.run(makeThing, { root });
    assert.deepEqual(await readdir(root), whole);
  } finally {
    await engine.close();
    await store.close();
  }
}
