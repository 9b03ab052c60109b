import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { SpaceReserve } from './space-reserve.ts';
import { openSqliteStore } from './sqlite-store.ts';

const KiB = 1024;

function temporary(): Disposable & { readonly file: string } {
  const folder = mkdtempSync(join(tmpdir(), 'corral-reserve-'));
  return {
    file: join(folder, 'store.db'),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

describe('the space reserve', () => {
  it('is taken, found again by the next owner, and given up once', () => {
    using place = temporary();
    new SpaceReserve(place.file, 64 * KiB).take();
    const { blocks, size } = statSync(place.file);
    assert.equal(size, 64 * KiB);
    assert.ok(blocks * 512 >= size, 'its space is really taken');
    const next = new SpaceReserve(place.file, 64 * KiB);
    assert.equal(next.giveUp(), true);
    assert.equal(existsSync(place.file), false);
    assert.equal(next.giveUp(), false);
  });

  it('is not taken from a volume that has little', () => {
    using place = temporary();
    new SpaceReserve(place.file, 2 ** 50).take();
    assert.equal(existsSync(place.file), false);
  });

  it('is given up when the store is full, and taken again with a later change', async () => {
    using place = temporary();
    const reserve = `${place.file}.reserve`;
    const options = { file: place.file, maxBytes: 200 * KiB, reserveBytes: 64 * KiB };
    await using store = await openSqliteStore(options);
    assert.ok(existsSync(reserve));
    await assert.rejects(
      store.transact({ then: [{ put: 'a', value: 'x'.repeat(500 * KiB) }] }),
      (cause: unknown) => isCorralError(cause, 'store.full'),
    );
    assert.equal(existsSync(reserve), false);
    await store.transact({ then: [{ put: 'b', value: 'x' }] });
    assert.ok(existsSync(reserve));
  });
});
