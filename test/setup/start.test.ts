/** `npm start` as a story: the first run, Ctrl-C, and the second run that finds everything again. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Client } from '@corral/api/client.gen';
import { socketTransport } from '@corral/api/transport';
import { withLimit } from '@corral/core/abort';
import { projectRoot } from '../../tools/node-path.mjs';
import { killProcessesOf } from '../support/processes.ts';

const skip = process.getuid?.() !== 0 && 'needs root';

interface Run {
  readonly child: ChildProcess;
  readonly output: string;
  readonly readyMs: number;
}

/** Starts, and returns when it has said everything. */
async function start(data: string): Promise<Run> {
  const begun = performance.now();
  const child = spawn(
    process.execPath,
    [join(projectRoot, 'tools/start.mjs'), '--data', data, '--listen', '127.0.0.1:0'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  const ready = Promise.withResolvers<void>();
  child.stderr.on('data', (text: Buffer) => {
    output += text.toString();
  });
  child.stdout.on('data', (text: Buffer) => {
    output += text.toString();
    if (output.includes('Ctrl-C ends the daemon')) ready.resolve();
  });
  child.once('exit', (code) => ready.reject(new Error(`it ended with ${code}:\n${output}`)));
  await withLimit('npm start', 240_000, undefined, () => ready.promise);
  return { child, output, readyMs: performance.now() - begun };
}

async function interrupt({ child }: Run): Promise<number | null> {
  child.kill('SIGINT');
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

async function pidOfHello(data: string): Promise<number | null> {
  const client = new Client(socketTransport(join(data, 'corrald.sock')));
  try {
    return (await client.vm.show('hello')).pid;
  } finally {
    client.close();
  }
}

async function makeDataFolder(t: TestContext): Promise<string> {
  const data = await mkdtemp(join(tmpdir(), 'corral-start-'));
  t.after(async () => {
    await killProcessesOf(data);
    await rm(data, { recursive: true, force: true });
  });
  return data;
}

test('the first start makes a machine that answers; it outlives Ctrl-C; the second is quick', {
  skip,
}, async (t) => {
  const data = await makeDataFolder(t);
  const first = await start(data);
  assert.match(first.output, /Machines +hello \(running\)/);
  assert.match(first.output, /API +unix:.*corrald\.sock/);
  assert.equal(first.output.match(/^ {2}bin\/corral /gm)?.length, 3, first.output);
  const pid = await pidOfHello(data);
  assert.equal(await interrupt(first), 0);

  process.kill(pid!, 0);
  const second = await start(data);
  assert.ok(second.readyMs < 5000, `ready after ${Math.round(second.readyMs)} ms`);
  assert.equal(await pidOfHello(data), pid);
  assert.equal(await interrupt(second), 0);
});
