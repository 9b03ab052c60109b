import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { isWholeFrame } from './zstd-frame.ts';

const content = fc.oneof(
  fc.uint8Array({ maxLength: 600 }),
  fc.integer({ min: 0, max: 600_000 }).map((length) => randomBytes(length)),
  fc.integer({ min: 0, max: 600_000 }).map((length) => Buffer.alloc(length, 'again ')),
);

test('a frame is whole, with or without its checksum and size; cut or longer it is not', () => {
  fc.assert(
    fc.property(content, fc.boolean(), fc.boolean(), fc.nat(), (plain, hasChecksum, saysSize, cut) => {
      const params = {
        [constants.ZSTD_c_checksumFlag]: Number(hasChecksum),
        [constants.ZSTD_c_contentSizeFlag]: Number(saysSize),
      };
      const frame = zstdCompressSync(plain, { params });
      assert.ok(isWholeFrame(frame));
      assert.ok(!isWholeFrame(frame.subarray(0, cut % frame.length)));
      assert.ok(!isWholeFrame(Buffer.concat([frame, Buffer.of(0)])));
    }),
    { numRuns: 200 },
  );
});

test('what no frame is has no end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.equal(isWholeFrame(Buffer.from(bytes)), false);
      assert.equal(
        isWholeFrame(Buffer.concat([Buffer.of(0x28, 0xb5, 0x2f, 0xfd), bytes.map(() => 0xff)])),
        false,
      );
    }),
  );
});
