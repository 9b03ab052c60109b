import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId } from '@corral/core/ids';
import { openMemoryStore } from '@corral/store/memory-store';
import { stepOf, withFilesHost } from '../testing/files-host.ts';
import { sampleState, vmOn } from '../testing/sample-chains.ts';
import { referenceDelete } from '../tracking/reference-operations.ts';
import type { BackupHost } from './backup-host.ts';
import { backupRun } from './backup-operation.ts';

test('a VM that is deleted as soon as its backup has let go of it leaves nothing stuck', async () => {
  const settings = vmOn([newId()]);
  const { id: vmId, name: vmName } = settings;
  const told: string[] = [];
  await withFilesHost(
    sampleState(settings, []),
    [],
    async ({ host }) => {
      const backups = {
        host,
        store: openMemoryStore(),
        connections: { records: { get: async () => ({ repositoryId: newId() }) } },
      } as unknown as BackupHost;
      await host.chainRecords.forget(vmId);
      await host.records.delete(vmId);
      const { signal } = new AbortController();
      const input = { vmId, vmName, name: 'nightly', repositoryId: newId(), repositoryName: 'vault' };
      const results = {
        fork: { consistency: 'crash', reason: null, forkedAt: settings.createdAt },
        write: { pointId: newId(), disks: [], readInFull: [], tracked: true },
      };
      const result = (step: keyof typeof results) => results[step];
      const context = { input, operationId: newId(), result, signal };
      await stepOf(backupRun(backups), 'finish').run(context);
      await stepOf(referenceDelete(host), 'tidy').run({ input: { vmId, vmName }, signal });
    },
    () => ({ emit: async (type: string) => void told.push(type) }) as never,
  );
  assert.deepEqual(told, ['vm.backed-up']);
});
