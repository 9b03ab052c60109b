/** The disk of a VM that runs: no command changes it beneath its QEMU. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { newId } from '@corral/core/ids';
import { checkDisk } from '@corral/disk/verbs/check-disk';
import { createDisk } from '@corral/disk/verbs/create-disk';
import { mergeDisk } from '@corral/disk/verbs/merge-disk';
import { compactDisk, resizeDisk } from '@corral/disk/verbs/resize-disk';
import { openStorageDaemon } from '@corral/host/chain/storage-daemon';
import { DataDirectory } from '@corral/host/data-directory';
import { missing } from '../qemu/support/tool-process.ts';

it('is refused to what would change it, and read by what only looks', {
  skip: missing('qemu-storage-daemon'),
}, async () => {
  const root = await mkdtemp(join(tmpdir(), 'corral-in-use-'));
  try {
    await using directory = new DataDirectory(root);
    await directory.prepare();
    const [base, top] = [join(root, 'base.qcow2'), join(root, 'top.qcow2')];
    await createDisk(base, { format: 'qcow2', sizeBytes: 2 ** 20 });
    await createDisk(top, { format: 'qcow2', parent: base });
    const chain = [top, base].map((path) => ({
      id: newId(),
      format: 'qcow2' as const,
      path,
      shared: false,
      seal: null,
    }));
    const signal = AbortSignal.timeout(60_000);
    {
      await using _daemon = await openStorageDaemon({ directory, vmId: newId(), uid: null, chain, signal });
      for (const change of [
        () => resizeDisk(top, 2 ** 21),
        () => compactDisk(base),
        () => checkDisk(top, { repair: true }),
        () => mergeDisk(top),
      ]) {
        await assert.rejects(change(), { code: 'disk.in-use' });
      }
      assert.ok((await checkDisk(top)).ok);
    }
    await resizeDisk(top, 2 ** 21);
    await mergeDisk(top);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
