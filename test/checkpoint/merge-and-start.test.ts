/** A merge of the present begins while a VM is off; its guest comes up meanwhile and writes to the upper layer. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { OffVm } from '../support/off-vm.ts';
import { eventually, succeeded, vmInState } from '../support/operations.ts';
import { processesOf } from '../support/processes.ts';
import { TestHost } from '../support/test-host.ts';

const sizeBytes = 2 ** 28;

it('the layer that a guest writes to is not merged under it, and is when it is off again', async () => {
  await using host = await TestHost.start();
  const { client, data } = host;
  const vm = await OffVm.create(host, 'a', sizeBytes);
  await succeeded(client, client.checkpoint.create('a', { name: 'one' }));
  const content = randomBytes(sizeBytes / 2);
  await vm.write(0, content);
  const [top, below] = vm.files;
  await succeeded(client, client.checkpoint.delete('a', 'one'));
  // It copies for as long as the test likes.
  const merging = await eventually(
    'it is merged',
    async () => processesOf(data).find(isStorageDaemon),
    (pid) => pid !== undefined,
  );
  process.kill(merging!, 'SIGSTOP');

  await succeeded(client, client.vm.start('a'));
  const ended = await eventually(
    'the merge is given up',
    async () => (await client.operation.list({})).items,
    (items) => items.every(({ finishedAt }) => finishedAt !== null),
  );
  assert.deepEqual(
    ended.filter(({ state }) => state !== 'succeeded').map(({ error }) => error?.detail),
    [],
  );
  assert.deepEqual(vm.files, [top, below], 'the guest writes to the upper one, and its record says so');
  assert.ok(vm.disk.parents[0]!.seal !== null, 'the lower one is still');

  process.kill((await client.vm.show('a')).pid!, 'SIGKILL');
  await vmInState(client, 'a', 'off');
  await eventually(
    'it is merged',
    async () => vm.files,
    (files) => files.length === 1,
  );
  assert.ok((await vm.read(0, content.length)).equals(content));
});

function isStorageDaemon(pid: number): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('qemu-storage-daemon');
}
