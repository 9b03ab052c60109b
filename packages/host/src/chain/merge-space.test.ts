import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { newId } from '@corral/core/ids';
import { withFilesHost } from '../testing/files-host.ts';
import { sampleState, vmOn } from '../testing/sample-chains.ts';
import { volumeErrors } from '../volume/errors.ts';
import { chainOf } from './chain.ts';
import { watchSpace } from './merge-space.ts';

test('a merge under way stops when another host has seized its volume', async () => {
  const layers = [newId(), newId()];
  const present = vmOn(layers);
  const [upper, lower] = chainOf(present.disks[0]!) as [
    ReturnType<typeof chainOf>[0],
    ReturnType<typeof chainOf>[0],
  ];
  const request = {
    vmId: present.id,
    vmName: present.name,
    diskId: present.disks[0]!.id,
    diskName: present.disks[0]!.name,
    upper,
    lower,
  };
  await withFilesHost(
    sampleState(present, []),
    layers.map((id) => `${id}.qcow2`),
    async ({ host }) => {
      let isOurs = true;
      const foreign = volumeErrors.foreign({
        volume: 'fast',
        owner: 'another',
        ownerId: newId(),
        since: '2026-01-01T00:00:00Z',
        path: '/fast',
      });
      const mayWrite = async (): Promise<void> => {
        if (!isOurs) throw foreign;
      };
      await using watch = await watchSpace(host, request, new AbortController().signal, mayWrite);
      assert.ok(!watch.signal.aborted);
      isOurs = false;
      await once(watch.signal, 'abort');
      assert.ok(isCorralError(watch.signal.reason, 'volume.foreign'));
    },
  );
});
