/** Checkpoints of a machine that runs its firmware, and what must hold of them whatever died. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { hashDisk } from '@corral/disk/verbs/hash-disk';
import { chainOf } from '@corral/host/chain/chain';
import { CheckpointFile } from '@corral/host/checkpoint/checkpoint-files';
import { assertClean } from '../disk/qemu-img.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { contentOf, type DiskContent, makeWriterDisk, presentDisk } from '../support/record-writer.ts';
import { synced } from '../support/synced.ts';
import type { Scenario } from './scenarios.ts';

/** Its guest writes records all the time. */
export async function running(client: Client, data: string): Promise<void> {
  const from = join(data, 'writer.qcow2');
  await rm(from, { force: true });
  await makeWriterDisk(from);
  await synced(from);
  const disks = [{ name: 'data', from }];
  await succeeded(client, client.vm.create({ name: 'a', memoryBytes: 64 * 2 ** 20, disks }));
  await succeeded(client, client.vm.start('a'));
  await moreRecords(client, data);
}

/** Waits until the guest has written some that are not in the layers below. */
async function moreRecords(client: Client, data: string, count = 3): Promise<void> {
  const folder = join(data, 'vms', (await client.vm.show('a')).id);
  const records = async () => (await contentOf(folder, presentDisk(folder)!)).records ?? 0;
  const before = await records();
  await eventually('the guest writes', records, (now) => now >= before + count);
}

const withCheckpoints = async (client: Client, data: string): Promise<void> => {
  await running(client, data);
  for (const name of ['one', 'two']) {
    await succeeded(client, client.checkpoint.create('a', { name }));
    await moreRecords(client, data);
  }
};

const exportFolder = (data: string): string => join(data, 'export');

/** What the checkpoint holds that is exported. */
async function contentOfOne(client: Client, data: string): Promise<DiskContent> {
  const folder = join(data, 'vms', (await client.vm.show('a')).id);
  const { id } = await client.checkpoint.show('a', 'one');
  return contentOf(folder, checkpointFile(folder, id).checkpoint.settings.disks[0]!);
}

export const checkpointScenarios: Readonly<Record<string, Scenario>> = {
  'checkpoint.create': {
    prepare: running,
    begin: (client) => client.checkpoint.create('a', { name: 'one' }),
  },
  'checkpoint.apply': {
    prepare: withCheckpoints,
    goesBack: true,
    begin: (client) =>
      client.checkpoint.apply('a', 'one', { present: 'checkpoint', checkpointName: 'three' }),
  },
  'checkpoint.rename': {
    prepare: async (client) => {
      const disks = [{ name: 'data', sizeBytes: 2 ** 24 }];
      await succeeded(client, client.vm.create({ name: 'a', memoryBytes: 64 * 2 ** 20, disks }));
      for (const name of ['one', 'two']) await succeeded(client, client.checkpoint.create('a', { name }));
    },
    begin: (client) => client.checkpoint.rename('a', 'one', { name: 'uno' }),
  },
  'checkpoint.delete': {
    prepare: withCheckpoints,
    begin: (client) => client.checkpoint.delete('a', 'two'),
  },
  'vm.merge': {
    prepare: withCheckpoints,
    begin: async (client) => {
      await succeeded(client, client.checkpoint.delete('a', 'one'));
      const merges = await eventually(
        'the merge has begun',
        async () => (await client.operation.list({})).items.filter(({ kind }) => kind === 'vm.merge'),
        ({ length }) => length > 0,
      );
      return merges[0]!;
    },
  },
  'checkpoint.export': {
    prepare: async (client, data) => {
      await rm(exportFolder(data), { recursive: true, force: true });
      await withCheckpoints(client, data);
    },
    begin: (client, data) =>
      client.checkpoint.export('a', 'one', { directory: exportFolder(data), flatten: true }),
    expect: async (client, data) => {
      const wanted = await contentOfOne(client, data);
      return async () => {
        const folder = exportFolder(data);
        assert.deepEqual(await contentOf(folder, presentDisk(folder)!), wanted);
        await assertClean('qcow2', join(folder, 'disks/data.qcow2'));
      };
    },
  },
  'vm.register': {
    // In place and from VHDX: the folder is linked, a disk is converted, and the export is one no more.
    prepare: async (client, data) => {
      await rm(exportFolder(data), { recursive: true, force: true });
      await withCheckpoints(client, data);
      const request = { directory: exportFolder(data), format: 'vhdx' } as const;
      await succeeded(client, client.checkpoint.export('a', 'one', request));
      await succeeded(client, client.vm.stop('a'));
      await succeeded(client, client.vm.delete('a', { ifMatch: '*' }));
    },
    begin: (client, data) => client.vm.register({ directory: exportFolder(data) }),
    expect: async (_client, data) => {
      const wanted = await hashDisk(join(exportFolder(data), 'disks/data.vhdx'));
      return async () => {
        const folder = exportFolder(data);
        const { hash, records } = await contentOf(folder, presentDisk(folder)!);
        assert.equal(hash, wanted.sha256);
        assert.ok(records !== null && records > 0);
      };
    },
  },
};

/** Files, records and folders of a VM's checkpoints agree, and no file of a layer is without a chain. */
export async function checkpointsWhole(client: Client, data: string, vmId: string): Promise<void> {
  const folder = join(data, 'vms', vmId);
  const { items, present } = await client.checkpoint.list(vmId);
  assert.deepEqual(foldersIn(join(folder, 'checkpoints')), items.map(({ id }) => id).sort());
  for (const { id, name, parentId, current } of items) {
    const { checkpoint, ...file } = checkpointFile(folder, id);
    assert.deepEqual([checkpoint.name, checkpoint.parentId, file.current], [name, parentId, current]);
    const memory = existsSync(join(folder, 'checkpoints', id, 'memory'));
    assert.equal(memory, checkpoint.memory !== null, 'memory for those that have it');
    assert.ok(parentId === null || items.some((other) => other.id === parentId), 'its parent is there');
  }
  assert.ok(present.parentId === null || items.some(({ id }) => id === present.parentId));
  await eventually(
    'a file for each layer, and no other',
    async () => ({ there: foldersIn(join(folder, 'disks')), held: heldFiles(folder, items) }),
    ({ there, held }) => JSON.stringify(there) === JSON.stringify(held),
    20_000,
  );
}

export function checkpointFile(folder: string, id: string): CheckpointFile {
  const path = join(folder, 'checkpoints', id, 'checkpoint.json');
  return CheckpointFile.parse(JSON.parse(readFileSync(path, 'utf8')));
}

/** As `vm.json` and the files of the checkpoints have it, which a merge rewrites before it deletes a file. */
function heldFiles(folder: string, checkpoints: readonly { readonly id: string }[]): string[] {
  const vm = VmSettings.parse(JSON.parse(readFileSync(join(folder, 'vm.json'), 'utf8')));
  const all = [vm, ...checkpoints.map(({ id }) => checkpointFile(folder, id).checkpoint.settings)];
  const paths = all.flatMap(({ disks }) => disks.flatMap((disk) => chainOf(disk)).map(({ path }) => path));
  const inside = paths.filter((path) => path.startsWith('disks/')).map((path) => path.slice('disks/'.length));
  return [...new Set(inside)].sort();
}

function foldersIn(path: string): string[] {
  return existsSync(path) ? readdirSync(path).sort() : [];
}
