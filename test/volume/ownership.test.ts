/** A volume has one owner: another host refuses it, a seizure is noticed before anything is written. */
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isApiProblem } from '@corral/api/api-problem';
import { MountedFileSystem } from '../support/file-systems.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

const MiB = 2 ** 20;

const withCode =
  (code: string, words = /./) =>
  (cause: unknown) =>
    isApiProblem(cause) && cause.code === code && words.test(cause.message);

describe('the owner of a volume', () => {
  it('is the only one: another host takes it after a release, or by force', {
    timeout: 240_000,
  }, async () => {
    await using mounted = await MountedFileSystem.mount('ext4');
    await using first = await TestHost.start();
    await using second = await TestHost.start();
    const { path } = mounted;
    const [one, two] = [first.client, second.client];
    await succeeded(one, one.volume.add({ name: 'v', path }));
    const vm = { name: 'a', memoryBytes: 64 * MiB, volume: 'v', disks: [{ name: 'd', sizeBytes: MiB }] };
    await succeeded(one, one.vm.create(vm));
    const owner = (await one.volume.show('v')).owner!;

    await assert.rejects(
      two.volume.add({ name: 'v', path }),
      withCode('volume.foreign', new RegExp(`${owner.id}.*volume release.*volume seize`)),
    );
    await succeeded(one, one.vm.start('a'));
    await assert.rejects(one.volume.release('v'), withCode('volume.running', /: a\./));
    await succeeded(one, one.vm.stop('a'));
    await succeeded(one, one.volume.release('v'));
    await assert.rejects(one.vm.start('a'), withCode('volume.released', /volume add v/));

    await succeeded(two, two.volume.add({ name: 'v', path }));
    assert.equal((await two.volume.show('v')).generation, 3);
    await assert.rejects(one.vm.start('a'), withCode('volume.foreign'));

    await succeeded(one, one.volume.seize('v', {}));
    await succeeded(one, one.vm.start('a'));
    await succeeded(one, one.vm.stop('a'));
    await succeeded(two, two.volume.seize('v', {}));
    await eventually(
      'the old owner tells of it by itself, once',
      () => one.event.list({ type: 'volume.lost' }),
      ({ items }) => items.length > 0,
    );
    await first.restart('SIGTERM');
    assert.equal((await first.client.event.list({ type: 'volume.lost' })).items.length, 1);

    const { findings } = await one.host.doctor();
    const found = findings.find(({ check }) => check === 'volumes');
    assert.deepEqual([found?.severity, found?.things], ['error', ['v']]);

    const before = await readFile(join(path, 'corral-volume.json'), 'utf8');
    for (const refused of [
      () => one.vm.start('a'),
      () => one.vm.disk.add('a', { name: 'e', sizeBytes: MiB }),
      () => one.vm.clone('a', { name: 'b' }),
      () => one.vm.update('a', { cpus: 2 }, { ifMatch: '*' }),
      () => one.vm.create({ ...vm, name: 'c' }),
      () => one.volume.release('v'),
    ]) {
      await assert.rejects(refused(), withCode('volume.foreign'));
    }
    const folders = await readdir(join(path, 'corral/vms'));
    await succeeded(one, one.vm.delete('a', { ifMatch: '*' }));
    assert.deepEqual(await readdir(join(path, 'corral/vms')), folders, 'its files are the new owner’s now');
    await succeeded(one, one.volume.remove('v'));
    assert.equal(await readFile(join(path, 'corral-volume.json'), 'utf8'), before);
  });

  it('is not taken where no volume can be', async () => {
    await using host = await TestHost.start();
    const { client, data } = host;
    const add = (path: string, name = 'v') => client.volume.add({ name, path });
    await assert.rejects(add(join(data, 'nothing')), withCode('volume.bad-root', /no such folder/));
    await assert.rejects(add('/'), withCode('volume.bad-root', /root of the system/));
    await assert.rejects(add(join(data, 'vms')), withCode('volume.bad-root', /Corral keeps its own files/));
    await assert.rejects(add(data), withCode('volume.exists', /local/));
    const closed = join(data, 'closed');
    await mkdir(closed, { mode: 0o700 });
    await assert.rejects(add(closed), withCode('volume.bad-root', /chmod o\+x/));
    await chmod(closed, 0o711);
    await writeFile(join(closed, 'corral-volume.json'), '{"format":"corral-volume/9"}');
    await assert.rejects(add(closed), withCode('volume.owner-file', /Find out whose/));
    for (const refused of [client.volume.remove('local'), client.volume.release('local')]) {
      await assert.rejects(refused, withCode('volume.local'));
    }
    await assert.rejects(client.volume.seize('unknown', {}), withCode('volume.not-found'));
  });
});
