import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DataDirectory } from '../data-directory.ts';
import { pathOfClone } from '../vm/vm-folders.ts';
import { realPlace, vmsFolder, volumeOf } from './placement.ts';
import type { VolumeRecord } from './volume-record.ts';

function volume(name: string, root: string, local = false): VolumeRecord {
  return {
    id: name,
    name,
    createdAt: '2026-01-01T00:00:00.000Z',
    kind: 'directory',
    root,
    local,
    fileSystem: 'xfs',
    capabilities: {
      reflink: true,
      copyFileRange: true,
      sparseFiles: true,
      holePunching: true,
      directIo: true,
      folderSync: true,
    },
    reserveBytes: null,
    told: { lost: false, belowReserve: false },
  };
}

describe('the volume of a path', () => {
  const volumes = [
    volume('local', '/srv/corral', true),
    volume('inner', '/srv/corral/fast'),
    volume('b', '/b'),
  ];

  it('is the one with the longest root above it', () => {
    const nameOf = (path: string) => volumeOf(volumes, path)?.name;
    assert.equal(nameOf('/srv/corral/vms/1/disks/a.qcow2'), 'local');
    assert.equal(nameOf('/srv/corral/fast/corral/vms/1/disks/a.qcow2'), 'inner');
    assert.equal(nameOf('/srv/corral/faster'), 'local');
    assert.equal(nameOf('/b'), 'b');
    assert.equal(nameOf('/bb/c'), undefined);
  });

  it('is that of the home of its VM, whether that is mounted or not', async (t) => {
    const root = await mkdtemp(join(tmpdir(), 'corral-place-'));
    t.after(() => rm(root, { recursive: true }));
    await mkdir(join(root, 'vms/here'), { recursive: true });
    await symlink('/not/mounted/corral/vms/there', join(root, 'vms/there'));
    const directory = new DataDirectory(root);
    const place = (path: string) => realPlace(directory, join(root, path));
    assert.equal(await place('vms/here/disks/a.raw'), join(root, 'vms/here/disks/a.raw'));
    assert.equal(await place('vms/there/disks/a.raw'), '/not/mounted/corral/vms/there/disks/a.raw');
    assert.equal(await place('vms/gone/vm.json'), join(root, 'vms/gone/vm.json'));
    assert.equal(await place('images/1'), join(root, 'images/1'));
    assert.equal(await realPlace(directory, '/elsewhere/a'), '/elsewhere/a');
  });
});

describe('the paths of a clone', () => {
  it('are its own on other volumes, and the same below its home', () => {
    const folder = vmsFolder(volume('b', '/b'));
    assert.equal(pathOfClone('disks/a.qcow2', 'one', 'two'), 'disks/a.qcow2');
    assert.equal(pathOfClone(`${folder}/one/disks/a.qcow2`, 'one', 'two'), `${folder}/two/disks/a.qcow2`);
    assert.equal(pathOfClone('/images/i/disk.qcow2', 'one', 'two'), '/images/i/disk.qcow2');
  });
});
