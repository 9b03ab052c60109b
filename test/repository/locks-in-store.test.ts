/** What keeps locked backups under the store's own retention, day by day. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Repository } from '@corral/backup/repository';
import { tightenPolicy } from '@corral/backup/retention/policy';
import { newId } from '@corral/core/ids';
import type { Logger } from '@corral/host/logger';
import { RepositoryConnections } from '@corral/host/repository/connections';
import { CredentialFiles } from '@corral/host/repository/credentials';
import type { RepositoryHost } from '@corral/host/repository/repository-host';
import { RepositoryRecords } from '@corral/host/repository/repository-record';
import { renewLocks } from '@corral/host/repository/watch-locks';
import { openMemoryStore } from '@corral/store/memory-store';
import { S3Double } from './support/s3-double.ts';
import { backUp, inPlace, makeDisk } from './support/sample.ts';

const nothing = (): void => undefined;
const silent: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
const disk = makeDisk(6, { 0: 'a', 2: 'bb', 5: 'c' });

test('locks in a store are renewed for each repository that has them, and a failure is an event', async (t: TestContext) => {
  await using double = await S3Double.start('bucket');
  const folder = await mkdtemp(join(tmpdir(), 'corral-locks-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const connections = new RepositoryConnections(
    new RepositoryRecords(openMemoryStore()),
    new CredentialFiles(folder),
  );
  const told: string[] = [];
  const note = async (type: string): Promise<unknown> => told.push(type);
  // A function of fewer parameters is one of more; the generic rest hides that from the compiler.
  const host: RepositoryHost = { connections, emit: note as RepositoryHost['emit'] };
  for (const name of ['near', 'gone']) {
    const id = newId();
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    await connections.credentials.write(id, { version: 1, secret: null, store: credentials });
    const place = { kind: 's3' as const, url: `${double.endpoint}/bucket/${name}`, storeLocks: true };
    const policy = { appendOnly: false, lockDays: 0 };
    const record = { id, name, place, policy, repositoryId: id, encrypted: false, retention: {} };
    await connections.records.create({ ...record, createdAt: new Date().toISOString() }, place.url);
    if (name === 'near')
      await (await Repository.create(await connections.openStore(record), { ...inPlace, id })).close();
  }
  await using near = await connections.open('near');
  await tightenPolicy(near.context, { lockDays: 7 });
  await backUp(near, disk);
  const retention = () =>
    [...double.objects]
      .filter(([name]) => name.includes('/packs/'))
      .map(([, [version]]) => version!.retainUntil);
  const before = retention();
  for (const [, versions] of double.objects) for (const version of versions) version.retainUntil = 0;
  await renewLocks(host, silent, new AbortController().signal);
  assert.ok(before.length > 0 && retention().every((until) => until > Date.now() + 6 * 86_400e3));
  assert.deepEqual(told, ['repository.locks-not-renewed']);
});
