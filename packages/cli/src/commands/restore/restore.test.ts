import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCli } from '../../testing/run-cli.ts';

test('an option that has no effect on this way of restoring is refused, and names the one that it is for', async () => {
  for (const [args, says] of [
    [['--in-place', '--volume', 'fast'], /--volume is for a new VM/],
    [['--in-place', '--instant'], /--instant is for a new VM/],
    [['--to-directory', '/srv/out', '--start'], /--start is for a VM that is restored/],
    [['--as', 'web2', '--confirm', 'web1'], /--confirm is for --in-place/],
    [['--as', 'web2', '--format', 'vhdx'], /--format is for files/],
  ] as const) {
    const { exitCode, stderr } = await runCli(['restore', 'monday', ...args, '--socket', '/nowhere']);
    assert.deepEqual([exitCode, says.test(stderr)], [2, true], stderr);
  }
});
