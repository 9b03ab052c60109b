/** A host connects to a repository whose owner means it harm: what is in it is shown or refused, and nothing leaves its place. */
import assert from 'node:assert/strict';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { keyedHash } from '@corral/backup/crypto/blake3';
import { uuidBytes } from '@corral/backup/crypto/keys';
import { sealDocument } from '@corral/backup/format/document';
import { DirectoryStore } from '@corral/backup/object-store/directory-store';
import { nodeBytes } from '@corral/backup/pack/blob';
import { BlobWriter } from '@corral/backup/pack/blob-writer';
import { packName } from '@corral/backup/pack/pack-format';
import { type Point, pointName } from '@corral/backup/point/point';
import { Repository } from '@corral/backup/repository';
import { blockCount, treeHeight } from '@corral/backup/tree/geometry';
import { newId } from '@corral/core/ids';
import { ended, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';
import { inPlace, makeDisk, vm } from './support/sample.ts';

const disk = makeDisk(3, { 0: 'a', 1: 'b' });

/** A backup whose documents are `documents`. */
async function pointWith(
  repository: Repository,
  documents: Readonly<Record<string, string>>,
): Promise<Point> {
  await using writer = await repository.beginPoint({
    vm,
    disks: [{ name: 'disk', sizeBytes: disk.length }],
  });
  await writer.write('disk', 0, disk);
  for (const [name, content] of Object.entries(documents))
    await writer.putDocument(name, Buffer.from(content));
  return await writer.seal({ name: 'hostile', consistency: 'crash' });
}

/** The same point with other values in it, under an id of its own. */
async function forged(repository: Repository, point: Point, change: Partial<Point>): Promise<Point> {
  const other = { ...point, id: newId(), ...change };
  const name = pointName(other.id);
  const bytes = sealDocument(repository.context.keys, name, uuidBytes(other.id), other);
  await repository.context.store.put(name, bytes);
  return other;
}

/** The largest that a point may name. */
const hugeBytes = 2 ** 53 - 65_536;

/** The root of a tree of so many blocks, all the same one, in seven nodes. */
async function rootOfBomb({ context }: Repository): Promise<string> {
  const { index, keys, pool, store } = context;
  const session = await context.beginSession('backup', []);
  const writer = new BlobWriter({ store, keys, index, pool, session });
  let id: Buffer = keyedHash(keys.block, Buffer.alloc(65_536, 'a'));
  for (let level = 0; level < treeHeight(blockCount(hugeBytes)); level += 1) {
    const node = Buffer.alloc(nodeBytes);
    node[0] = level;
    for (let at = 1; at < nodeBytes; at += id.length) id.copy(node, at);
    id = await writer.nodeSink(0).putNode(node);
  }
  await writer.flush();
  await session.end();
  return id.toString('hex');
}

async function connected(host: TestHost): Promise<{ repository: Repository; place: string }> {
  const path = join(host.data, 'theirs');
  const repository = await Repository.create(new DirectoryStore(path), inPlace);
  const request = { name: 'theirs', place: { kind: 'directory' as const, path } };
  await succeeded(host.client, host.client.repository.connect(request));
  return { repository, place: path };
}

describe('a hostile repository', () => {
  it('names that lead elsewhere lead nowhere, and settings that are none are refused', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await using repository = (await connected(host)).repository;
    const point = await pointWith(repository, {
      'vm.json': '{"format":"corral-vm/1","disks":[{"path":"../../../etc/passwd"}]}',
      'boot/../../../escaped': 'x',
      'boot//escaped': 'x',
      'tpm/..': 'x',
      'boot/kept': 'x',
      '../escaped': 'x',
      '/escaped': 'x',
    });
    const evil = '../../escaped';
    const named = await forged(repository, point, {
      name: '\u001b[2Jhostile',
      disks: [point.disks[0]!, { ...point.disks[0]!, name: evil }],
    });
    const { items } = await client.backup.list({ repository: 'theirs' });
    assert.equal(items.length, 2);
    await assert.rejects(client.restore.vm(point.id, {}), { code: 'restore.no-settings' });
    await assert.rejects(client.restore.verify(point.id, {}), { code: 'restore.no-settings' });
    await assert.rejects(client.restore.disk(named.id, { disk: evil, vm: 'none' }), {
      code: 'restore.no-such-disk',
    });
    const directory = join(host.data, 'deep', 'restored');
    await succeeded(client, client.restore.files(named.id, { directory }));
    assert.deepEqual((await readdir(directory, { recursive: true })).sort(), [
      'boot',
      'boot/kept',
      'disks',
      'disks/disk.qcow2',
    ]);
    assert.deepEqual(await readdir(join(host.data, 'deep')), ['restored']);
    assert.ok(!(await readdir(host.data)).includes('escaped'));
  });

  it('a disk that claims more than there is on earth is refused at once, and keeps nobody waiting', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await using repository = (await connected(host)).repository;
    const point = await pointWith(repository, {});
    const root = await rootOfBomb(repository);
    const bomb = await forged(repository, point, {
      disks: [{ ...point.disks[0]!, sizeBytes: hugeBytes, root }],
    });
    const directory = join(host.data, 'restored');
    const { error, state } = await ended(
      client,
      await client.restore.files(bomb.id, { directory, format: 'raw' }),
    );
    assert.deepEqual([state, error?.code], ['failed', 'volume.below-reserve']);
    assert.ok(!(await readdir(host.data)).includes('restored'));
    assert.equal((await client.repository.statistics('theirs')).points, 2);
    const checked = await succeeded(client, client.repository.check('theirs', { readData: true }));
    assert.equal(Reflect.get(Object(checked.output), 'sound'), true);
  });

  it('links, folders and endless files in the place of objects are named, not followed', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const { place, repository } = await connected(host);
    await using _ = repository;
    const point = await pointWith(repository, {});
    const hash = (text: string): string => keyedHash(Buffer.alloc(32), Buffer.from(text)).toString('hex');
    const at = (name: string): string => join(place, name);
    for (const name of ['a', 'b', 'c'].map((text) => packName(hash(text))))
      await mkdir(join(at(name), '..'), { recursive: true });
    await symlink('/etc/passwd', at(packName(hash('a'))));
    await mkdir(at(packName(hash('b'))));
    await writeFile(at(packName(hash('c'))), '');
    await symlink('/dev/zero', at(`index/${hash('d')}`));
    await mkdir(at(pointName(newId())));
    await symlink('/', at(`points/${newId()}`));
    await writeFile(at('points/not-an-id'), 'x');
    const { output } = await succeeded(client, client.repository.check('theirs', { readData: true }));
    const problems = Reflect.get(Object(output), 'problems') as { object: string }[];
    assert.ok(problems.length >= 2, JSON.stringify(problems));
    const directory = join(host.data, 'restored');
    await succeeded(client, client.restore.files(point.id, { directory, format: 'raw' }));
    await rm(directory, { recursive: true });
  });
});
