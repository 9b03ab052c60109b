import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { backupPlace } from './backup-place.ts';

describe('a place in a backup', () => {
  it('is backup, disk and path, and the path may hold colons', () => {
    assert.deepEqual(backupPlace('nightly:data:/a:b'), { backup: 'nightly', disk: 'data', path: '/a:b' });
  });

  for (const text of ['', 'nightly', 'nightly:data', 'nightly:data:etc', ':data:/etc', 'nightly::/etc']) {
    it(`is not "${text}"`, () => {
      assert.throws(() => backupPlace(text), { code: 'cli.value' });
    });
  }
});
