/** Values that no VM can have, sent past every client: each is refused by its name, and nothing is made. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import { vmActions } from '@corral/core/vm-actions';
import { nothingLeftOver } from '../crash/invariants.ts';
import { succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';
import { refusalOf } from './refusal.ts';

const MiB = 2 ** 20;
const good = { name: 'b', memoryBytes: 64 * MiB };
const disk = { name: 'data', sizeBytes: MiB };

/** What is wrong → the request, and what the refusal has to name. */
const creations: Readonly<Record<string, readonly [object, RegExp]>> = {
  'no name': [{ memoryBytes: 64 * MiB }, /name/],
  'an empty name': [{ ...good, name: '' }, /name/],
  'a name with a slash': [{ ...good, name: '../b' }, /name/],
  'a name that begins with a dash': [{ ...good, name: '-b' }, /name/],
  'a name of 64 characters': [{ ...good, name: 'b'.repeat(64) }, /name/],
  'a name that is an id': [{ ...good, name: '8b0b9a6e-4c0e-4f5c-9b3e-0d2f6a1c7e55' }, /name/],
  'a name with a line break': [{ ...good, name: 'b\n' }, /name/],
  'no processors': [{ ...good, cpus: 0 }, /cpus/],
  'half a processor': [{ ...good, cpus: 1.5 }, /cpus/],
  'too many processors': [{ ...good, cpus: 100_000 }, /cpus/],
  'processors as text': [{ ...good, cpus: '2' }, /cpus/],
  'no memory': [{ ...good, memoryBytes: 0 }, /memoryBytes/],
  'negative memory': [{ ...good, memoryBytes: -1 }, /memoryBytes/],
  'more memory than numbers are exact': [{ ...good, memoryBytes: 2 ** 60 }, /memoryBytes/],
  'a disk of nothing': [{ ...good, disks: [{ ...disk, sizeBytes: 0 }] }, /disks.*sizeBytes/],
  'a disk of 1 EiB': [{ ...good, disks: [{ ...disk, sizeBytes: 2 ** 60 }] }, /sizeBytes|too large|size/],
  'two disks of one name': [{ ...good, disks: [disk, disk] }, /data/],
  'a disk without size or source': [{ ...good, disks: [{ name: 'data' }] }, /data|sizeBytes|size/],
  'a disk named as a path': [{ ...good, disks: [{ ...disk, name: '../../x' }] }, /disks.*name/],
  'a disk with QEMU options in its name': [
    { ...good, disks: [{ ...disk, name: 'x,file=y' }] },
    /disks.*name/,
  ],
  'too many disks': [
    { ...good, disks: Array.from({ length: 64 }, (_, index) => ({ ...disk, name: `d${index}` })) },
    /disks/,
  ],
  'too many ports': [{ ...good, ports: Array.from({ length: 17 }, () => ({ network: 'user' })) }, /ports/],
  'a network that is none': [{ ...good, ports: [{ network: 'nowhere' }] }, /network/],
  'a bridge named as an option': [{ ...good, ports: [{ network: 'bridge:a,b' }] }, /network/],
  'a firmware that is none': [{ ...good, firmware: 'coreboot' }, /firmware/],
  'a file of the host named relatively': [
    { ...good, disks: [{ name: 'data', from: 'etc/shadow' }] },
    /disks.*from/,
  ],
  'an image that is not there': [{ ...good, image: 'nothing' }, /nothing/],
  'an unknown field': [{ ...good, colour: 'red' }, /colour/],
  'an unknown field of a disk': [{ ...good, disks: [{ ...disk, color: 1 }] }, /color/],
};

describe('values that no VM can have', () => {
  let host: TestHost;
  let client: Client;
  before(async () => {
    host = await TestHost.start();
    client = host.client;
    await succeeded(client, client.vm.create({ name: 'a', memoryBytes: 64 * MiB, disks: [disk] }));
  });
  after(() => host[Symbol.asyncDispose]());

  for (const [name, [request, names]] of Object.entries(creations)) {
    it(name, async () => {
      const { code, detail } = await refusalOf(client, client.vm.create(request as never));
      assert.ok(code && code !== 'api.unexpected', `${code}: ${detail}`);
      assert.match(detail, names);
      assert.deepEqual(
        (await client.vm.list({})).items.map((vm) => vm.name),
        ['a'],
      );
    });
  }

  it('a name that a VM has, at creation, renaming and cloning', async () => {
    await succeeded(client, client.vm.create({ name: 'taken', memoryBytes: 64 * MiB }));
    const refusals = [
      await refusalOf(client, client.vm.create({ ...good, name: 'taken' })),
      await refusalOf(client, client.vm.update('a', { name: 'taken' }, { ifMatch: '*' })),
      await refusalOf(client, client.vm.clone('a', { name: 'taken' })),
    ];
    for (const { code, detail } of refusals) {
      assert.equal(code, 'vm.name-taken');
      assert.match(detail, /"taken".*another name/);
    }
    await succeeded(client, client.vm.delete('taken', { ifMatch: '*' }));
  });

  it('settings out of range, and an unknown one', async () => {
    for (const [patch, named] of [
      [{ cpus: 0 }, /cpus/],
      [{ memoryBytes: 1 }, /memoryBytes/],
      [{ name: '' }, /name/],
      [{ colour: 'red' }, /colour/],
      [{ bootOrder: ['disk:nothing'] }, /nothing/],
    ] as const) {
      const { detail } = await refusalOf(client, client.vm.update('a', patch as never, { ifMatch: '*' }));
      assert.match(detail, named);
    }
  });

  it('a start beyond the memory of the host, with figures', async () => {
    const { memory } = await client.host.show();
    const memoryBytes = Math.ceil(memory.totalBytes / MiB) * MiB;
    await succeeded(client, client.vm.create({ name: 'huge', memoryBytes }));
    const { code, detail } = await refusalOf(client, client.vm.start('huge'));
    assert.equal(code, 'vm.no-memory');
    assert.match(detail, /"huge".* MiB/);
    assert.equal((await client.vm.show('huge')).state, 'off');
    await succeeded(client, client.vm.delete('huge', { ifMatch: '*' }));
  });

  it('actions that are illegal in the state, each with the states in which they are legal', async () => {
    const illegal = {
      stop: () => client.vm.stop('a'),
      shutdown: () => client.vm.shutdown('a', {}),
      pause: () => client.vm.pause('a'),
      resume: () => client.vm.resume('a'),
      save: () => client.vm.save('a'),
      reset: () => client.vm.reset('a'),
      'discard-saved': () => client.vm.discardSaved('a'),
    } as const;
    for (const [action, begin] of Object.entries(illegal)) {
      const { code, detail } = await refusalOf(client, begin());
      assert.equal(code, 'vm.illegal-state', action);
      assert.match(detail, /VM "a" is off/);
      for (const state of vmActions[action as keyof typeof illegal]) assert.match(detail, new RegExp(state));
    }
    await succeeded(client, client.vm.start('a'));
    for (const begin of [
      () => client.vm.start('a'),
      () => client.vm.resume('a'),
      () => client.vm.delete('a', { ifMatch: '*' }),
    ]) {
      const { code, detail } = await refusalOf(client, begin());
      assert.equal(code, 'vm.illegal-state');
      assert.match(detail, /VM "a" is running.*possible when it is/);
    }
    await succeeded(client, client.vm.stop('a'));
  });

  it('nothing of all that is left over', () => nothingLeftOver(client, host.data, host.daemonPid));
});
