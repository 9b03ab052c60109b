import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDaemon } from '../../testing/fake-daemon.ts';
import { runCli } from '../../testing/run-cli.ts';
import { sampleVm } from '../../testing/samples.ts';

test('for a disk that the VM does not have nothing is held open', async () => {
  await using daemon = await FakeDaemon.start({ 'vm.show': () => sampleVm() });
  const args = ['changes', 'web1', 'rot', '--since', 'monday', '--socket', daemon.socketPath];
  const { exitCode, stderr } = await runCli(args);
  assert.equal(exitCode, 2);
  assert.match(stderr, /"rot" is not a disk of the VM. It has root\./);
  assert.deepEqual(
    daemon.requests.map(({ route }) => route),
    ['vm.show'],
  );
});
