/** The S3 store, through the real SDK, against a double of S3 (support/s3-double.ts says why). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { S3Client } from '@aws-sdk/client-s3';
import { testObjectStore } from '@corral/backup/object-store/conformance';
import { S3Store } from '@corral/backup/object-store/s3-store';
import { Repository } from '@corral/backup/repository';
import { extendLocks } from '@corral/backup/retention/extend-locks';
import { tightenPolicy } from '@corral/backup/retention/policy';
import { S3Double } from './support/s3-double.ts';
import { assertRestores, backUp, inPlace, makeDisk, quickKey } from './support/sample.ts';

function clientFor(double: S3Double): S3Client {
  return new S3Client({
    endpoint: double.endpoint,
    region: 'eu-test-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
}

for (const objectLock of [false, true]) {
  testObjectStore(`S3 double${objectLock ? ' with Object Lock' : ''}`, async () => {
    const double = await S3Double.start('bucket');
    return {
      store: new S3Store({ client: clientFor(double), bucket: 'bucket', prefix: 'deep/down/', objectLock }),
      plant: async (name, content) => {
        double.objects.set(`deep/down/${name}`, [{ id: 'v', content, at: new Date(), retainUntil: 0 }]);
      },
      dispose: () => double[Symbol.asyncDispose](),
    };
  });
}

test('a locked repository in S3 cannot be emptied before its time, old packs that new points rest on included', async () => {
  await using double = await S3Double.start('bucket');
  const store = new S3Store({ client: clientFor(double), bucket: 'bucket', objectLock: true });
  const options = { ...inPlace, ...quickKey };
  await using repository = await Repository.create(store, options);
  const disk = makeDisk(4, { 0: 'a', 1: 'b' });
  await backUp(repository, disk);
  await tightenPolicy(repository.context, { lockDays: 7 });
  const locked = await backUp(repository, disk);
  assert.ok(Date.parse(locked.lockedUntil!) > Date.now() + 6.9 * 86_400e3);
  assert.ok((await extendLocks(repository.context)) > 0);
  for (const name of double.objects.keys()) {
    if (!name.startsWith('packs/') && name !== `points/${locked.id}`) continue;
    await assert.rejects(store.delete(name), { code: 'repository.store' });
  }
  await assertRestores(store, options, new Map([[locked.id, disk]]));
});
