import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { newId } from '@corral/core/ids';
import { DataDirectory } from '../data-directory.ts';
import type { Volumes } from '../volume/volumes.ts';
import { removeVmFolders } from './vm-folders.ts';

it('of a folder in which a VM was registered in place only what is the VM goes', async () => {
  const root = await mkdtemp(join(tmpdir(), 'corral-folders-'));
  try {
    const directory = new DataDirectory(join(root, 'data'));
    const [id, home] = [newId(), join(root, 'srv')];
    for (const folder of [join(root, 'data/vms'), join(home, 'disks'), join(home, 'pictures')])
      await mkdir(folder, { recursive: true });
    for (const file of ['vm.json', 'disks/data.qcow2', 'notes', 'pictures/one'])
      await writeFile(join(home, file), '');
    await symlink(home, directory.vm(id).folder);
    const volumes = {
      foldersOf: async () => [],
      linkedHome: async () => home,
      mayWriteTo: async () => true,
    } as unknown as Volumes;
    await removeVmFolders({ directory, volumes }, id);
    assert.deepEqual((await readdir(home, { recursive: true })).sort(), [
      'notes',
      'pictures',
      'pictures/one',
    ]);
    assert.deepEqual(await readdir(join(root, 'data/vms')), []);

    for (const file of ['notes', 'pictures']) await rm(join(home, file), { recursive: true });
    await symlink(home, directory.vm(id).folder);
    await removeVmFolders({ directory, volumes }, id);
    assert.deepEqual(await readdir(root), ['data'], 'what is empty then goes too');
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
