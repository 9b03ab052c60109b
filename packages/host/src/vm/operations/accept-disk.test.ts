import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId } from '@corral/core/ids';
import { stepOf, withFilesHost } from '../../testing/files-host.ts';
import { sampleLayer, sampleState, vmOn } from '../../testing/sample-chains.ts';
import { vmDiskAccept } from './accept-disk.ts';

test('files are not accepted while a backup reads them: its reference point would say nothing of the edit', async () => {
  const [present, below] = [newId(), newId()];
  const settings = vmOn([present, below]);
  const { id, name, disks } = settings;
  const [disk] = disks;
  const pin = {
    id: newId(),
    vmId: id,
    reason: 'the backup "nightly" to "vault"',
    createdAt: settings.createdAt,
    operationId: newId(),
    expiresAt: null,
    disks: [{ diskId: disk!.id, name: disk!.name, sizeBytes: disk!.sizeBytes, chain: [sampleLayer(below)] }],
    doomed: [],
  };
  const files = [present, below].map((layer) => `${layer}.qcow2`);
  await withFilesHost({ ...sampleState(settings, []), pins: [pin] }, files, async ({ host }) => {
    const input = { id, name, diskId: disk!.id, diskName: disk!.name };
    await assert.rejects(
      stepOf(vmDiskAccept(host), 'check').run({ input, signal: new AbortController().signal }),
      {
        code: 'tracking.pinned',
        message: /the backup "nightly" to "vault"/,
      },
    );
  });
});
