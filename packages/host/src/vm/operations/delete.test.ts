import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId } from '@corral/core/ids';
import { stepOf, withFilesHost } from '../../testing/files-host.ts';
import { sampleLayer, sampleState, vmOn } from '../../testing/sample-chains.ts';
import { vmDelete } from './delete.ts';

test('a VM that is being read is refused before the step from which there is no way back', async () => {
  const [present, below] = [newId(), newId()];
  const settings = vmOn([present, below]);
  const { id, name, disks } = settings;
  const pin = {
    id: newId(),
    vmId: id,
    reason: 'the backup "nightly" to "vault"',
    createdAt: settings.createdAt,
    operationId: newId(),
    expiresAt: null,
    disks: [{ diskId: disks[0]!.id, name: 'root', sizeBytes: 2 ** 20, chain: [sampleLayer(below)] }],
    doomed: [],
  };
  await withFilesHost({ ...sampleState(settings, []), pins: [pin] }, [], async ({ host }) => {
    const operation = vmDelete(host);
    const [first] = operation.steps;
    assert.ok(!first!.pivot);
    const run = stepOf(operation, first!.name).run({ input: { id, name, uid: null } });
    await assert.rejects(run, { code: 'tracking.pinned' });
    assert.ok(await host.records.find(id));
  });
});
