/** A disk goes, and another of its name comes, while a checkpoint still has the first: each keeps its own content. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import { OffVm } from '../support/off-vm.ts';
import { ended, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const sizeBytes = 2 ** 24;

it('what a checkpoint holds of a disk that was removed outlives a new disk of the same name', async () => {
  await using host = await TestHost.start();
  const { client } = host;
  const vm = await OffVm.create(host, 'a', sizeBytes);
  const [first, second] = [randomBytes(65_536), randomBytes(65_536)];
  await vm.write(0, first);
  await succeeded(client, client.checkpoint.create('a', { name: 'one' }));
  await succeeded(client, client.vm.disk.remove('a', 'data'));

  await succeeded(client, client.vm.disk.add('a', { name: 'data', sizeBytes }));
  assert.ok((await vm.read(0, 65_536)).equals(Buffer.alloc(65_536)), 'a new disk is empty');
  await vm.write(0, second);
  await succeeded(client, client.checkpoint.create('a', { name: 'two' }));

  await succeeded(client, client.checkpoint.apply('a', 'one', { present: 'discard' }));
  assert.ok((await vm.read(0, 65_536)).equals(first));
  await succeeded(client, client.checkpoint.apply('a', 'two', { present: 'discard' }));
  assert.ok((await vm.read(0, 65_536)).equals(second));
  await succeeded(client, client.vm.start('a'));

  const refused = await client.vm.clone('a', { name: 'b' }).then(
    (operation) => ended(client, operation),
    (cause: unknown) => cause as { readonly code: string },
  );
  assert.equal('code' in refused ? refused.code : refused.error?.code, 'vm.illegal-state');
});
