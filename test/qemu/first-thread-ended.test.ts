/** QEMU has many threads: when the first has ended others may still write to its disks, which are locked until the last ended. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { it } from 'node:test';
import { identify, isAlive, waitForExit } from '@corral/host/process/process-identity';
import { eventually } from '../support/operations.ts';
import { stateOf } from '../support/processes.ts';
import { missing } from './support/tool-process.ts';

/** Its second thread ends with its input. */
const program = `
import ctypes, sys, threading
threading.Thread(target=sys.stdin.read).start()
ctypes.CDLL(None).pthread_exit(0)
`;

it('a process lives until its last thread has ended', { skip: missing('python3') }, async () => {
  const child = spawn('python3', ['-c', program], { stdio: ['pipe', 'ignore', 'inherit'] });
  try {
    await once(child, 'spawn');
    await eventually(
      'the first thread has ended',
      async () => stateOf(child.pid!),
      (state) => state === 'Z',
    );
    const identity = await identify(child.pid!);
    assert.ok(identity && (await isAlive(identity)));
    child.stdin.end();
    await waitForExit('the process', identity, 30_000);
  } finally {
    child.kill('SIGKILL');
  }
});
