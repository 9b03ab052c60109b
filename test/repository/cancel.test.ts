/** Long work on a repository is cancelled through the API while its store does not answer, and leaves nothing there. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import { DirectoryStore } from '@corral/backup/object-store/directory-store';
import { Repository } from '@corral/backup/repository';
import { ended, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';
import { S3Double } from './support/s3-double.ts';
import { backUp, inPlace, makeDisk } from './support/sample.ts';

const works: Readonly<Record<string, (client: Client) => Promise<Operation>>> = {
  check: (client) => client.repository.check('far', { readData: true }),
  prune: (client) => client.repository.prune('far', {}),
  repair: (client) => client.repository.repair('far'),
  copy: (client) => client.repository.copy('far', { to: 'second' }),
};

/** A repository in S3 with a backup in it, and an empty one to copy to. */
async function withFar({ client, data }: TestHost, double: S3Double): Promise<void> {
  const places = ['vault', 'second'].map((name) => ({ name, path: join(data, `place-${name}`) }));
  for (const { name, path } of places)
    await succeeded(client, client.repository.create({ name, place: { kind: 'directory', path } }));
  {
    await using repository = await Repository.open(new DirectoryStore(places[0]!.path), inPlace);
    await backUp(repository, makeDisk(6, { 0: 'a', 5: 'c' }));
  }
  const place = { kind: 's3' as const, url: `${double.endpoint}/bucket/deep`, region: 'eu-test-1' };
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test-secret-access-key' };
  await succeeded(client, client.repository.create({ name: 'far', place, credentials }));
  await succeeded(client, client.repository.copy('vault', { to: 'far' }));
}

describe('a store that does not answer', () => {
  it('keeps no operation from being cancelled', async () => {
    await using host = await TestHost.start();
    await using double = await S3Double.start('bucket');
    const { client } = host;
    await withFar(host, double);
    for (const [what, begin] of Object.entries(works)) {
      const before = [...double.objects.keys()];
      const asked = Promise.withResolvers<void>();
      double.stall = (method, key) => {
        const isStalled = method === 'GET' && key.includes('/packs/');
        if (isStalled) asked.resolve();
        return isStalled;
      };
      const operation = await begin(client);
      await asked.promise;
      await client.operation.cancel(operation.id);
      const { state } = await ended(client, operation);
      assert.equal(state, 'cancelled', what);
      assert.deepEqual([...double.objects.keys()], before, `${what} left something`);
      double.stall = null;
      await succeeded(client, begin(client));
      assert.equal((await client.repository.statistics('far')).points, 1);
    }
  });
});
