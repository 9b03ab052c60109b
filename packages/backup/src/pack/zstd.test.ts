import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { Zstd } from './zstd.ts';

const largest = 65_536;
const piece = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: largest }))
    .map(([pattern, length]) => Buffer.alloc(length, pattern)),
  fc.integer({ min: 1, max: largest }).map((length) => randomBytes(length)),
);

for (const useContexts of [true, false]) {
  const title = useContexts ? 'one context' : 'documented calls';

  test(`${title}: pieces one after the other come back, and others read them`, () => {
    const zstd = new Zstd(largest, useContexts);
    fc.assert(
      fc.property(piece, (plain) => {
        const packed = Buffer.from(zstd.compress(plain));
        assert.ok(zstdDecompressSync(packed).equals(plain));
        assert.ok(zstd.decompress(packed, largest)?.equals(plain));
        if (plain.length > 1) assert.equal(zstd.decompress(packed, plain.length - 1), null);
      }),
      { numRuns: 60 },
    );
  });

  test(`${title}: what is damaged is told, and harms nothing that follows`, () => {
    const zstd = new Zstd(largest, useContexts);
    const plain = Buffer.alloc(50_000, 'a text that is compressed ');
    const packed = zstdCompressSync(plain);
    fc.assert(
      fc.property(fc.nat(packed.length - 1), fc.boolean(), (at, isCut) => {
        const damaged = isCut ? packed.subarray(0, at) : Buffer.from(packed);
        if (!isCut) damaged[at]! ^= 0x55;
        const result = zstd.decompress(damaged, largest);
        // zstd itself has no checksum here: that the content is another is found by its hash.
        assert.ok(result === null || result.length <= largest);
        assert.ok(zstd.decompress(packed, largest)?.equals(plain));
      }),
      { numRuns: 60 },
    );
  });

  test(`${title}: a bomb stops at the limit`, () => {
    const zstd = new Zstd(largest, useContexts);
    assert.equal(zstd.decompress(zstdCompressSync(Buffer.alloc(64 * 2 ** 20)), largest), null);
  });
}

test('both ways give the same bytes', () => {
  const [one, other] = [new Zstd(largest), new Zstd(largest, false)];
  for (const plain of [Buffer.alloc(largest, 'so'), randomBytes(2000), Buffer.alloc(largest)])
    assert.deepEqual(one.compress(plain), other.compress(plain));
});

test('this Node is one whose contexts can be used', () => {
  assert.ok(new Zstd(largest).usesContexts);
});
