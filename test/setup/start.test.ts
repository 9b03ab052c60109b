/** `npm start` as a story: the first run, Ctrl-C, and the second run that finds everything again. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Client } from '@corral/api/client.gen';
import { socketTransport } from '@corral/api/transport';
import { interrupt, npmStart } from '../support/npm-start.ts';
import { killProcessesOf } from '../support/processes.ts';

const skip = process.getuid?.() !== 0 && 'needs root';

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

test('the first start makes a machine that answers; it outlives Ctrl-C; the second finds all done', {
  skip,
}, async (t) => {
  const data = await makeDataFolder(t);
  const first = await npmStart(data);
  assert.match(first.output, /Machines +hello \(running\)/);
  assert.match(first.output, /API +unix:.*corrald\.sock/);
  assert.equal(first.output.match(/^ {2}bin\/corral /gm)?.length, 3, first.output);
  const pid = await pidOfHello(data);
  assert.equal(await interrupt(first), 0);

  process.kill(pid!, 0);
  const second = await npmStart(data);
  // A part of the set-up that has something to do says what it does.
  assert.match(first.output, /^… a first machine: hello$/m);
  assert.doesNotMatch(second.output, /^(…| {4}\S)/m);
  assert.equal(await pidOfHello(data), pid);
  assert.equal(await interrupt(second), 0);
});
