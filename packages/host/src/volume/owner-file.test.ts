import assert from 'node:assert/strict';
import { link, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { nextOwnerFile, type OwnerFile, ownerFileName, readOwnerFile, writeOwnerFile } from './owner-file.ts';

async function makeRoot(t: TestContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'corral-owner-'));
  t.after(() => rm(root, { recursive: true }));
  return root;
}

const since = '2026-01-01T00:00:00.000Z';

function ownedBy(name: string, generation: number): OwnerFile {
  const owner = { kind: 'host', id: name, name, since } as const;
  const id = 'a0000000-0000-4000-8000-000000000000';
  return { format: 'corral-volume/1', id, createdAt: since, generation, owner };
}

describe('the owner file', () => {
  it('is absent, then as it was written, and leaves nothing beside it', async (t) => {
    const root = await makeRoot(t);
    assert.equal(await readOwnerFile(root), null);
    assert.equal(await readOwnerFile(join(root, 'not-mounted')), null);
    await writeOwnerFile(root, ownedBy('one', 1), null, 'one');
    await writeOwnerFile(root, ownedBy('one', 1), null, 'one');
    assert.deepEqual(await readOwnerFile(root), ownedBy('one', 1));
    await writeOwnerFile(root, ownedBy('two', 2), ownedBy('one', 1), 'two');
    assert.deepEqual(await readOwnerFile(root), ownedBy('two', 2));
    assert.deepEqual(await readdir(root), [ownerFileName]);
  });

  it('is taken by one of many hosts that add a new volume at once', async (t) => {
    const root = await makeRoot(t);
    const hosts = Array.from({ length: 8 }, (_, index) => `host${index}`);
    const tries = await Promise.allSettled(
      hosts.map((host) => writeOwnerFile(root, ownedBy(host, 1), null, host)),
    );
    const winners = hosts.filter((_, index) => tries[index]?.status === 'fulfilled');
    assert.equal(winners.length, 1);
    assert.equal((await readOwnerFile(root))?.owner?.id, winners[0]);
    for (const each of tries)
      if (each.status === 'rejected') assert.equal(each.reason.code, 'volume.changed');
    assert.deepEqual(await readdir(root), [ownerFileName]);
  });

  it('is not written by a host that read an older one', async (t) => {
    const root = await makeRoot(t);
    await writeOwnerFile(root, ownedBy('one', 2), null, 'one');
    const late = writeOwnerFile(root, ownedBy('two', 2), ownedBy('one', 1), 'two');
    await assert.rejects(late, { code: 'volume.changed' });
  });

  it('is replaced and not written to, also when a kill left it under a second name', async (t) => {
    const root = await makeRoot(t);
    await writeOwnerFile(root, ownedBy('one', 1), null, 'one');
    await link(join(root, ownerFileName), nextOwnerFile(root, 'one'));
    await link(join(root, ownerFileName), join(root, 'as-it-was'));
    await writeOwnerFile(root, ownedBy('one', 2), ownedBy('one', 1), 'one');
    assert.deepEqual(await readOwnerFile(root), ownedBy('one', 2));
    assert.deepEqual(JSON.parse(await readFile(join(root, 'as-it-was'), 'utf8')), ownedBy('one', 1));
    assert.deepEqual((await readdir(root)).sort(), ['as-it-was', ownerFileName]);
  });

  it('is never overwritten when it cannot be understood', async (t) => {
    const root = await makeRoot(t);
    for (const content of ['', '{', '{}', JSON.stringify({ ...ownedBy('one', 1), more: 1 })]) {
      await writeFile(join(root, ownerFileName), content);
      await assert.rejects(readOwnerFile(root), { code: 'volume.owner-file' });
      const next = writeOwnerFile(root, ownedBy('two', 2), null, 'two');
      await assert.rejects(next, { code: 'volume.owner-file' });
    }
  });
});
