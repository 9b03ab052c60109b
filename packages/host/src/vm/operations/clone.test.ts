import assert from 'node:assert/strict';
import { it } from 'node:test';
import { newId } from '@corral/core/ids';
import { stepOf, withFilesHost } from '../../testing/files-host.ts';
import { sampleState, vmOn } from '../../testing/sample-chains.ts';
import { vmClone } from './clone.ts';

it('files that a QEMU may write to are not copied', async () => {
  const present = vmOn([newId()]);
  for (const state of ['running', 'paused']) {
    await withFilesHost(
      sampleState(present, []),
      [],
      async ({ host }) => {
        const input = { sourceId: present.id, settings: { ...present, id: newId() } };
        await assert.rejects(stepOf(vmClone(host), 'reserve-user').run({ input }), {
          code: 'vm.illegal-state',
        });
      },
      () => ({ supervisor: { status: () => ({ state, reason: null }) } as never }),
    );
  }
});
