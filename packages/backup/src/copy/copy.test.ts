import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { newId } from '@corral/core/ids';
import { MemoryStore } from '../object-store/memory-store.ts';
import { Repository } from '../repository.ts';
import { copyPoints } from './copy.ts';

test('a point that lost data keeps no sound one from being copied, and is told', async () => {
  const store = new MemoryStore();
  await using source = await Repository.create(store, { workers: 1 });
  await using target = await Repository.create(new MemoryStore(), { workers: 1 });
  const make = async (name: string): Promise<string> => {
    const sizeBytes = 2 ** 16;
    const writer = await source.beginPoint({
      vm: { id: newId(), name },
      disks: [{ name: 'data', sizeBytes }],
    });
    await writer.write('data', 0, randomBytes(sizeBytes));
    return (await writer.seal({ name, consistency: 'crash' })).id;
  };
  const lost = await make('lost');
  for (const name of [...store.objects.keys()]) if (name.startsWith('packs/')) store.objects.delete(name);
  const sound = await make('sound');
  await using damaged = await Repository.open(store, { workers: 1 });
  await assert.rejects(copyPoints(damaged, target, [lost, sound]), { code: 'repository.object-missing' });
  const { points } = await target.points();
  assert.deepEqual(
    points.map(({ name }) => name),
    ['sound'],
  );
});
