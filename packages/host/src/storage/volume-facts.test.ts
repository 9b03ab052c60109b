import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import { fileSystemOf, volumeFacts } from './volume-facts.ts';

const mountinfo = `22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /srv rw shared:2 - btrfs /dev/vdb rw
31 30 0:27 / /srv/my\\040data rw shared:3 - xfs /dev/vdc rw
`;

describe('the file system under a folder', () => {
  it('is that of the nearest mount above it', () => {
    assert.equal(fileSystemOf(mountinfo, '/srvx'), 'ext4');
    assert.equal(fileSystemOf(mountinfo, '/srv/a'), 'btrfs');
    assert.equal(fileSystemOf(mountinfo, '/srv/my data/vms'), 'xfs');
  });

  it('is found for a folder of this host', async () => {
    assert.notEqual((await volumeFacts(tmpdir())).fileSystem, 'unknown');
  });
});
