import assert from 'node:assert/strict';
import { test } from 'node:test';
import { repositoryErrors } from '@corral/backup/errors';
import { MemoryStore } from '@corral/backup/object-store/memory-store';
import { Repository } from '@corral/backup/repository';
import { newId } from '@corral/core/ids';
import { openMemoryStore } from '@corral/store/memory-store';
import type { BackupHost } from './backup-host.ts';
import { BackupService } from './backup-service.ts';

test('a repository that is out of reach hides no backup in another one that is told by its id', async () => {
  const store = new MemoryStore();
  await using made = await Repository.create(store, { workers: 1 });
  const writer = await made.beginPoint({ vm: { id: newId(), name: 'web1' }, disks: [] });
  const { id } = await writer.seal({ name: 'nightly', consistency: 'crash' });
  const records = ['offsite', 'vault'].map((name) => ({ id: newId(), name, repositoryId: made.id }));
  const open = async (which: string): Promise<Repository> => {
    if (which === records[1]!.id) return await Repository.open(store, { workers: 1 });
    throw repositoryErrors.store({ place: 's3://far', action: 'read config', reason: 'it did not answer' });
  };
  const connections = { open, records: { list: async () => records } };
  const backups = { connections, store: openMemoryStore() } as unknown as BackupHost;
  const service = new BackupService(backups, {} as never, (() => undefined) as never);
  const { signal } = new AbortController();
  const found = await service.find(id, {}, signal);
  assert.deepEqual([found.backup.name, found.record.name], ['nightly', 'vault']);
  // Another of that name may be where nobody can look.
  await assert.rejects(service.find('nightly', {}, signal), { code: 'repository.store' });
});
