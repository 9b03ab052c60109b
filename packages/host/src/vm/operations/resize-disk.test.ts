import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { newId } from '@corral/core/ids';
import { createDisk } from '@corral/disk/verbs/create-disk';
import { withSeal } from '../../chain/chain.ts';
import { withChains } from '../../chain/chain-records.ts';
import { stepOf, withFilesHost } from '../../testing/files-host.ts';
import { sampleState, vmOn } from '../../testing/sample-chains.ts';
import { vmDiskResize } from './resize-disk.ts';

const KiB = 2 ** 10;

it('a disk grows in the file in which a merge that ended just now has put it', async () => {
  const [top, below] = [newId(), newId()];
  const present = vmOn([top, below]);
  const { id: diskId, name: diskName } = present.disks[0]!;
  const disks = present.disks.map((disk) => ({
    ...disk,
    sizeBytes: 64 * KiB,
    format: 'raw' as const,
    parents: disk.parents.map((layer) => ({ ...layer, format: 'raw' as const })),
  }));
  const state = sampleState({ ...present, disks }, []);
  const merging = async (host: Parameters<Parameters<typeof withFilesHost>[2]>[0]['host']) => {
    await host.chainRecords.change(present.id, (before) =>
      withChains(before, diskId, ([upper, lower]) =>
        withSeal([{ ...lower!, id: upper!.id }], upper!.id, null),
      ),
    );
    return { [Symbol.asyncDispose]: async () => undefined };
  };
  await withFilesHost(
    state,
    [],
    async ({ host, disks: folder }) => {
      for (const layer of [top, below])
        await createDisk(join(folder, `${layer}.qcow2`), { format: 'raw', sizeBytes: 64 * KiB });
      const input = { id: present.id, name: present.name, diskId, diskName, sizeBytes: 128 * KiB };
      const signal = new AbortController().signal;
      await stepOf(vmDiskResize(host), 'grow').run({ input, signal });
      assert.equal((await stat(join(folder, `${below}.qcow2`))).size, 128 * KiB);
      assert.equal((await stat(join(folder, `${top}.qcow2`))).size, 64 * KiB);
    },
    ({ host }) => ({ chains: { pause: () => merging(host) } as never }),
  );
});
