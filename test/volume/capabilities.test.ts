/** What a folder can do is found out by trying, on real file systems. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, it } from 'node:test';
import type { VolumeCapabilities } from '@corral/api/schemas/volume';
import { probeCapabilities } from '@corral/host/volume/capabilities';
import { directoryDriver } from '@corral/host/volume/directory-driver';
import { type FileSystem, fileSystems, MountedFileSystem } from '../support/file-systems.ts';

const everything: VolumeCapabilities = {
  reflink: true,
  copyFileRange: true,
  sparseFiles: true,
  holePunching: true,
  directIo: true,
  folderSync: true,
};

/** Direct I/O on tmpfs came with Linux 6.6; either answer is right there. */
const expected: Readonly<Record<FileSystem, Partial<VolumeCapabilities>>> = {
  xfs: everything,
  btrfs: everything,
  ext4: { ...everything, reflink: false },
  tmpfs: { reflink: false, copyFileRange: true, sparseFiles: true, holePunching: true, folderSync: true },
};

describe('what works in a folder', () => {
  for (const type of fileSystems) {
    it(`is found out on ${type}, and nothing is left there`, async () => {
      await using mounted = await MountedFileSystem.mount(type);
      const before = await readdir(mounted.path);
      const found = await probeCapabilities(mounted.path, 'test');
      const wanted = expected[type];
      assert.deepEqual({ ...found, ...wanted }, found);
      assert.deepEqual(await readdir(mounted.path), before);
      assert.equal((await directoryDriver.probe(mounted.path, 'test')).fileSystem, type);
    });
  }
});
