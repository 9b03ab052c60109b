/** Repositories through the API of a real daemon: secrets, locks that nobody shortens, damage that is named, S3. */
import assert from 'node:assert/strict';
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import { RepositoryCheckReport } from '@corral/api/schemas/repository';
import { DirectoryStore } from '@corral/backup/object-store/directory-store';
import type { Point } from '@corral/backup/point/point';
import { Repository } from '@corral/backup/repository';
import { ended, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';
import { S3Double } from './support/s3-double.ts';
import { assertRestores, backUp, inPlace, makeDisk } from './support/sample.ts';

const passphrase = 'correct horse battery staple';
const disk = makeDisk(6, { 0: 'a', 2: 'bb', 5: 'c' });

const placeIn = (host: TestHost, name = 'vault') => ({
  kind: 'directory' as const,
  path: join(host.data, `place-${name}`),
});

async function withVault(host: TestHost): Promise<void> {
  const request = { name: 'vault', place: placeIn(host), secret: { passphrase } };
  await succeeded(host.client, host.client.repository.create(request));
}

/** As another host writes it. */
async function otherHostBacksUp(host: TestHost, secret: { passphrase: string }): Promise<Point> {
  const store = new DirectoryStore(placeIn(host).path);
  await using repository = await Repository.open(store, { ...inPlace, secret });
  return await backUp(repository, disk);
}

async function failsWith(client: Client, begun: Promise<Operation>, code: string): Promise<void> {
  const { error, state } = await ended(client, await begun);
  assert.deepEqual([state, error?.code], ['failed', code]);
}

describe('repositories of a daemon', () => {
  it('keeps secrets in files of root alone, and out of everything else', async () => {
    await using host = await TestHost.start();
    await withVault(host);
    const folder = join(host.data, 'repositories');
    const [id] = await readdir(folder);
    const file = join(folder, id!, 'credentials.json');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.ok((await readFile(file, 'utf8')).includes(passphrase));
    await host.endDaemon('SIGTERM');
    for (const name of await readdir(host.data)) {
      if (!name.startsWith('corral.db')) continue;
      assert.ok(
        !(await readFile(join(host.data, name))).includes(passphrase),
        `${name} holds the passphrase`,
      );
    }
    assert.ok(!host.output.includes(passphrase), 'the log holds the passphrase');
  });

  it('lets no administrator shorten a lock or switch append-only off', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await withVault(host);
    await succeeded(client, client.repository.set('vault', { lockDays: 7, retention: { last: 1 } }));
    await failsWith(client, client.repository.set('vault', { lockDays: 3 }), 'repository.lock-shorter');
    const points = [
      await otherHostBacksUp(host, { passphrase }),
      await otherHostBacksUp(host, { passphrase }),
    ];
    const pruned = await succeeded(client, client.repository.prune('vault', {}));
    assert.deepEqual(
      [
        Reflect.get(Object(pruned.output), 'deletedPoints'),
        Reflect.get(Object(pruned.output), 'lockedPoints'),
      ],
      [0, 1],
      'the rule would delete one, its lock keeps it',
    );
    await succeeded(client, client.repository.set('vault', { appendOnly: true }));
    await assert.rejects(client.repository.set('vault', { appendOnly: false as never }), {
      code: 'api.invalid-request',
    });
    // Forgetting the connection and making it anew changes nothing of that.
    await succeeded(client, client.repository.remove('vault'));
    const again = { name: 'vault', place: placeIn(host), secret: { passphrase } };
    await succeeded(client, client.repository.connect(again));
    const shown = await client.repository.show('vault');
    assert.deepEqual([shown.appendOnly, shown.lockDays], [true, 7]);
    await failsWith(client, client.repository.prune('vault', {}), 'repository.append-only');
    await failsWith(client, client.repository.set('vault', { lockDays: 6 }), 'repository.lock-shorter');
    const expected = new Map(points.map(({ id }) => [id, disk]));
    await assertRestores(
      new DirectoryStore(placeIn(host).path),
      { ...inPlace, secret: { passphrase } },
      expected,
    );
  });

  it('a new host opens an old repository with nothing but place and key, and the wrong key opens nothing', async () => {
    await using host = await TestHost.start();
    await using other = await TestHost.start();
    await withVault(host);
    await otherHostBacksUp(host, { passphrase });
    const { client } = other;
    const request = { name: 'old', place: placeIn(host) };
    await failsWith(client, client.repository.connect(request), 'repository.key-needed');
    const wrong = { ...request, secret: { passphrase: 'no such passphrase' } };
    await failsWith(client, client.repository.connect(wrong), 'repository.wrong-key');
    assert.deepEqual(await readdir(join(other.data, 'repositories')), [], 'a refused secret is not kept');
    await succeeded(client, client.repository.connect({ ...request, secret: { passphrase } }));
    await succeeded(host.client, host.client.repository.set('vault', { lockDays: 2 }));
    assert.equal((await client.repository.statistics('old')).points, 1);
    assert.equal((await client.repository.show('old')).lockDays, 2, 'what the other host tightened is seen');
    const secret = { passphrase: 'another passphrase' };
    await succeeded(client, client.repository.key.change('old', { name: 'new', secret }));
    assert.equal((await client.repository.statistics('old')).points, 1);
    await failsWith(
      client,
      client.repository.connect({ ...request, name: 'x', secret: { passphrase } }),
      'repository.wrong-key',
    );
  });

  it('a check names the backups that a flipped byte harms, raises an event, and repair keeps the rest', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await withVault(host);
    const point = await otherHostBacksUp(host, { passphrase });
    await flipInBlocks(placeIn(host).path);
    const { output } = await succeeded(client, client.repository.check('vault', { readData: true }));
    const report = RepositoryCheckReport.parse(output);
    assert.equal(report.sound, false);
    assert.deepEqual(
      report.harmed.map((harmed) => harmed.point),
      [point.id],
    );
    const events = await client.event.list({ type: 'repository.damaged' });
    assert.equal(events.items.length, 1);
    assert.match(events.items[0]!.message, /sample/);
    await succeeded(client, client.repository.repair('vault'));
  });

  it('a repository in S3, and backups copied there', async () => {
    await using host = await TestHost.start();
    await using double = await S3Double.start('bucket');
    const { client } = host;
    await withVault(host);
    await otherHostBacksUp(host, { passphrase });
    const place = { kind: 's3' as const, url: `${double.endpoint}/bucket/deep`, region: 'eu-test-1' };
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test-secret-access-key' };
    const secret = { keyFile: Buffer.alloc(32, 'k').toString('base64') };
    await succeeded(client, client.repository.create({ name: 'far', place, credentials, secret }));
    const copied = await succeeded(client, client.repository.copy('vault', { to: 'far' }));
    assert.deepEqual(copied.output, { copied: 1, alreadyThere: 0 });
    const { output } = await succeeded(client, client.repository.check('far', { readData: true }));
    assert.equal(RepositoryCheckReport.parse(output).sound, true);
    const signed = { kind: 's3' as const, url: `${double.endpoint}/bucket/x?X-Amz-Signature=secret` };
    await assert.rejects(client.repository.create({ name: 'y', place: signed }), {
      code: 'repository.bad-place',
    });
  });
});

/** One byte in each pack, in the first blob; packs are read-only, so each is put in place anew. */
async function flipInBlocks(place: string): Promise<void> {
  const folder = join(place, 'packs');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of files) {
    const bytes = await readFile(file);
    bytes[80]! ^= 1;
    await writeFile(`${file}.flipped`, bytes);
    await rename(`${file}.flipped`, file);
  }
}
