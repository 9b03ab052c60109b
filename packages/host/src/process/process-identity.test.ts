import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { identify, isAlive, killProcess, sendSignal, waitForExit } from './process-identity.ts';

describe('the identity of a process', () => {
  it('is that of this process, and not of another start time', async () => {
    const own = await identify(process.pid);
    assert.ok(own);
    assert.ok(await isAlive(own));
    assert.ok(!(await isAlive({ ...own, startTime: own.startTime - 1 })));
    assert.ok(!(await isAlive({ ...own, bootId: 'another boot' })));
    assert.equal(await sendSignal({ ...own, startTime: own.startTime - 1 }, 'SIGKILL'), false);
  });

  it('ends with the process', async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    await once(child, 'spawn');
    const identity = await identify(child.pid!);
    assert.ok(identity);
    await killProcess('a sleeping process', identity);
    assert.ok(!(await isAlive(identity)));
    await waitForExit('a process that is gone', identity, 1000);
  });

  it('is none for a process that is not there', async () => {
    assert.equal(await identify(2 ** 22 + 1), null);
  });
});
