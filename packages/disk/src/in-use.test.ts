import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLocked } from './in-use.ts';

const locks = `1: POSIX  ADVISORY  WRITE 812 fe:00:77 1073741826 1073742335
2: OFDLCK ADVISORY  READ -1 fe:00:2151046 100 100
2: -> OFDLCK ADVISORY  WRITE -1 fe:00:99 0 EOF
3: OFDLCK ADVISORY  READ -1 08:11:5 0 99
4: OFDLCK ADVISORY  READ -1 08:11:6 203 203
5: OFDLCK ADVISORY  WRITE -1 103:00005:7 0 EOF
`;

test('a disk is in use where a lock lies on the bytes that QEMU locks', () => {
  const locked = (dev: bigint, ino: bigint) => isLocked(locks, { dev, ino });
  assert.ok(locked(0xfe00n, 2_151_046n));
  assert.ok(locked(0x811n, 6n));
  assert.equal(locked(0xfe01n, 2_151_046n), false, 'the same number on another file system');
  assert.equal(locked(0xfe00n, 77n), false, 'a lock of another kind');
  assert.equal(locked(0xfe00n, 99n), false, 'one that waits');
  assert.equal(locked(0x811n, 5n), false, 'other bytes');
  assert.equal(isLocked('', { dev: 1n, ino: 1n }), false);
});
