/** VMs and disks on volumes: where the files are, whose they are, how they are copied, and that they go. */
import assert from 'node:assert/strict';
import {
  appendFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { isApiProblem } from '@corral/api/api-problem';
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import { MountedFileSystem } from '../support/file-systems.ts';
import { succeeded, vmInState } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const MiB = 2 ** 20;
const small = { memoryBytes: 64 * MiB } as const;

const add = (client: Client, name: string, path: string): Promise<Operation> =>
  succeeded(client, client.volume.add({ name, path }));

const refusedWith = (code: string, words: RegExp) => (cause: unknown) => {
  assert.ok(isApiProblem(cause), String(cause));
  assert.equal(cause.code, code);
  assert.match(cause.message, words);
  return true;
};

async function volumeIn(host: TestHost, name: string): Promise<string> {
  const path = join(host.data, name);
  await mkdir(path, { mode: 0o755 });
  await add(host.client, name, path);
  return path;
}

describe('a disk on another volume', () => {
  it('belongs to the VM alone, in folders that others can only walk through, and goes with it', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const root = await volumeIn(host, 'v');
    await succeeded(
      client,
      client.vm.create({
        name: 'a',
        ...small,
        disks: [
          { name: 'here', sizeBytes: MiB },
          { name: 'there', sizeBytes: MiB, volume: 'v' },
        ],
      }),
    );
    const { id, disks } = await client.vm.show('a');
    const file = join(root, 'corral/vms', id, 'disks/there.qcow2');
    assert.deepEqual(
      disks.map(({ path }) => path),
      [join(host.data, 'vms', id, 'disks/here.qcow2'), file],
    );
    const { mode, uid } = await stat(file);
    assert.equal(mode & 0o777, 0o600);
    assert.ok(uid >= 1_900_000_000);
    assert.equal((await stat(dirname(file))).mode & 0o777, 0o750);
    assert.equal((await stat(join(root, 'corral/vms'))).mode & 0o777, 0o711);

    await succeeded(client, client.vm.start('a'));
    await succeeded(client, client.vm.disk.add('a', { name: 'hot', sizeBytes: MiB, volume: 'v' }));
    await succeeded(client, client.vm.stop('a'));
    await succeeded(client, client.vm.disk.remove('a', 'hot'));
    assert.deepEqual(await readdir(dirname(file)), ['there.qcow2']);

    await succeeded(client, client.vm.clone('a', { name: 'b' }));
    const clone = await client.vm.show('b');
    assert.equal(clone.disks[1]?.path, join(root, 'corral/vms', clone.id, 'disks/there.qcow2'));
    await assert.rejects(client.volume.remove('v'), refusedWith('volume.in-use', /VM a, VM b/));

    for (const vm of ['a', 'b']) await succeeded(client, client.vm.delete(vm, { ifMatch: '*' }));
    assert.deepEqual(await readdir(join(root, 'corral/vms')), []);
    await succeeded(client, client.volume.remove('v'));
    assert.deepEqual(await readdir(root), [], 'nothing of Corral is left');
  });
});

describe('a VM at home on another volume', () => {
  it('has all its files there, runs, is saved, and is found through one link', async () => {
    await using host = await TestHost.start();
    await using mounted = await MountedFileSystem.mount('xfs');
    const { client } = host;
    await add(client, 'fast', mounted.path);
    const disks = [
      { name: 'data', sizeBytes: MiB },
      { name: 'far', sizeBytes: MiB, volume: 'local' },
    ];
    await succeeded(client, client.vm.create({ name: 'a', ...small, volume: 'fast', disks, start: true }));
    const { id } = await vmInState(client, 'a', 'running');
    const home = join(mounted.path, 'corral/vms', id);
    assert.equal(await readlink(join(host.data, 'vms', id)), home);
    assert.equal(JSON.parse(await readFile(join(home, 'vm.json'), 'utf8')).id, id);
    await succeeded(client, client.vm.save('a'));
    assert.ok((await readdir(home)).includes('saved-memory'));
    await succeeded(client, client.vm.start('a'));
    await succeeded(client, client.vm.stop('a'));

    const clone = await succeeded(client, client.vm.clone('a', { name: 'b' }));
    const { copies } = clone.output as { copies: { disk: string; way: string }[] };
    assert.deepEqual(copies[0], { disk: 'data', way: 'reflink' });
    assert.deepEqual((await readdir(join(host.data, 'corral/vms'))).length, 2, 'a far disk of each');
    const [event] = (await client.event.list({ type: 'vm.disks-copied' })).items;
    assert.deepEqual(
      event?.data['copies'],
      copies.map(({ disk, way }) => `${disk}: ${way}`),
    );
    const b = await client.vm.show('b');
    assert.equal(await readlink(join(host.data, 'vms', b.id)), join(mounted.path, 'corral/vms', b.id));

    const gathered = await succeeded(client, client.vm.clone('a', { name: 'c', volume: 'local' }));
    const ways = (gathered.output as { copies: { disk: string; way: string }[] }).copies;
    assert.deepEqual(
      ways.map(({ disk }) => disk),
      ['data', 'far'],
    );
    const c = await client.vm.show('c');
    assert.deepEqual(
      c.disks.map(({ path }) => path),
      ['data', 'far'].map((name) => join(host.data, 'vms', c.id, 'disks', `${name}.qcow2`)),
    );
    await succeeded(client, client.vm.start('c'));
    await succeeded(client, client.vm.stop('c'));

    for (const vm of ['a', 'b', 'c']) await succeeded(client, client.vm.delete(vm, { ifMatch: '*' }));
    assert.deepEqual(await readdir(join(mounted.path, 'corral/vms')), []);
    assert.deepEqual(await readdir(join(host.data, 'corral/vms')), []);
    await assert.rejects(lstat(join(host.data, 'vms', id)), { code: 'ENOENT' });
  });

  it('does not start, and is not written to, when its volume is not mounted', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const root = await volumeIn(host, 'v');
    await succeeded(client, client.vm.create({ name: 'a', ...small, volume: 'v' }));
    await rename(root, `${root}-away`);
    await mkdir(root);
    await assert.rejects(client.vm.start('a'), refusedWith('volume.unavailable', /Mount it there/));
    await assert.rejects(
      client.vm.create({ name: 'b', volume: 'v' }),
      refusedWith('volume.unavailable', /not at /),
    );
    assert.equal((await client.volume.show('v')).state, 'missing');
    assert.deepEqual(await readdir(root), [], 'nothing was written into the empty mount point');
  });
});

describe('a disk from an image', () => {
  it('says which way its content came', async () => {
    await using host = await TestHost.start();
    await using mounted = await MountedFileSystem.mount('btrfs');
    const { client } = host;
    await add(client, 'other', mounted.path);
    const source = join(host.data, 'source.raw');
    await writeFile(source, Buffer.alloc(MiB, 7));
    await succeeded(client, client.image.import({ name: 'i', path: source, format: 'raw' }));
    const wayOf = async (name: string, request: object): Promise<string | undefined> => {
      const made = await succeeded(client, client.vm.create({ name, image: 'i', ...small, ...request }));
      return (made.output as { copies: { way: string }[] }).copies[0]?.way;
    };
    const raw = { name: 'root', format: 'raw' } as const;
    assert.ok(['reflink', 'copy_file_range'].includes((await wayOf('a', { disks: [raw] })) ?? ''));
    assert.equal(await wayOf('b', { disks: [{ ...raw, volume: 'other', format: 'qcow2' }] }), 'converted');
    const far = await wayOf('c', { disks: [{ ...raw, volume: 'other' }] });
    assert.ok(['copy_file_range', 'read-write'].includes(far ?? ''), far);
    const [disk] = (await client.vm.show('c')).disks;
    assert.deepEqual(await readFile(disk!.path), await readFile(source));
  });
});

describe('volume check', () => {
  it('names what is missing, what is damaged and what belongs to nothing', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const root = await volumeIn(host, 'v');
    const disks = ['one', 'two', 'three'].map((name) => ({ name, sizeBytes: MiB, volume: 'v' }));
    await succeeded(client, client.vm.create({ name: 'a', ...small, disks }));
    const { id } = await client.vm.show('a');
    const folder = join(root, 'corral/vms', id, 'disks');
    const sound = await client.volume.check('v');
    assert.deepEqual([sound.ok, sound.vms, sound.files, sound.findings], [true, 1, 3, []]);

    await rename(join(folder, 'one.qcow2'), join(folder, 'moved.qcow2'));
    await truncate(join(folder, 'two.qcow2'), 40);
    await mkdir(join(root, 'corral/vms/00000000-0000-4000-8000-000000000000'));
    const report = await client.volume.check('v', { vm: 'a' });
    assert.equal(report.ok, false);
    assert.deepEqual(
      report.findings.map(({ problem, vm, disk, path }) => [problem, vm, disk, path]),
      [
        ['missing', 'a', 'one', join(folder, 'one.qcow2')],
        ['damaged', 'a', 'two', join(folder, 'two.qcow2')],
        ['orphan', 'a', null, join(folder, 'moved.qcow2')],
      ],
    );
    const all = await client.volume.check('v');
    assert.ok(all.findings.some(({ problem, vm }) => problem === 'orphan' && vm === null));
  });

  it('knows the layers that checkpoints keep, and names one that was edited', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    const root = await volumeIn(host, 'v');
    const disks = [{ name: 'one', sizeBytes: MiB, volume: 'v' }];
    await succeeded(client, client.vm.create({ name: 'a', ...small, disks }));
    await succeeded(client, client.checkpoint.create('a', { name: 'c' }));
    const sound = await client.volume.check('v');
    assert.deepEqual([sound.ok, sound.files, sound.findings], [true, 2, []]);

    const { id } = await client.vm.show('a');
    const sealed = join(root, 'corral/vms', id, 'disks/one.qcow2');
    await appendFile(sealed, 'x');
    const report = await client.volume.check('v');
    assert.deepEqual(
      report.findings.map(({ problem, path, disk }) => [problem, path, disk]),
      [['altered', sealed, 'one']],
    );
    await succeeded(client, client.vm.disk.remove('a', 'one'));
    await assert.rejects(client.volume.remove('v'), refusedWith('volume.in-use', /VM a/));
  });
});
