/** What lies below a disk is copied into it, and then the disk stands on itself alone. */
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import type { DiskSettings } from '@corral/api/schemas/vm-settings';
import { findStorageDaemons, openStorageDaemon } from '@corral/host/chain/storage-daemon';
import { streamDisk } from '@corral/host/restore/stream-job';
import { missing } from '../qemu/support/tool-process.ts';
import { assertContent, makeChain, sizeMiB } from './made-chain.ts';

const skip = missing('qemu-storage-daemon', 'qemu-img', 'qemu-io');

test('what was copied is in the file of the disk, whenever QEMU dies', { skip }, async () => {
  await using made = await makeChain();
  const { directory, vmId, chain } = made;
  const [top, ...parents] = chain;
  const { id, path, format } = top!;
  const disk: DiskSettings = {
    ...{ id, format, path, parents, layerId: id, sizeBytes: sizeMiB * 2 ** 20 },
    ...{ name: 'data', bus: 'virtio', slot: 0, passThrough: false },
  };
  const signal = AbortSignal.timeout(60_000);
  {
    await using daemon = await openStorageDaemon({ directory, vmId, uid: null, chain, signal });
    await streamDisk(daemon.qmp, disk, parents[0]!, { signal, progress: () => undefined });
    for (const identity of await findStorageDaemons(directory, vmId)) process.kill(identity.pid, 'SIGKILL');
  }
  for (const layer of parents) await rm(directory.resolveInVm(vmId, layer.path));
  await assertContent(directory, vmId, [top!]);
});
