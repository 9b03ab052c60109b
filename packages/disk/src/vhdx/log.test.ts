/** The log: entries, the search for the active sequence, the overlay. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mock, test } from 'node:test';
import fc from 'fast-check';
import { MiB } from './limits.ts';
import { encodeEntry, entryLength, parseEntry, parseEntryHeader, sectorsThatFit } from './log-entry.ts';
import { findActiveSequence } from './log-scan.ts';

const crc32 = createRequire(import.meta.url)('@node-rs/crc32') as typeof import('@node-rs/crc32');
const guid = '00112233-4455-6677-8899-aabbccddeeff';
const other = '10112233-4455-6677-8899-aabbccddeeff';
const place = { guid, offset: MiB };
const sectorBytes = 4096;

interface Wanted {
  readonly sequence: number;
  readonly tail: number;
  readonly guid?: string;
  readonly offset?: number;
  readonly fill?: number;
  readonly sectors?: number;
}

function entry({
  sequence,
  tail,
  guid: logGuid = guid,
  offset = 3 * MiB,
  fill = 1,
  sectors = 1,
}: Wanted): Buffer {
  const fields = {
    tail,
    sequenceNumber: BigInt(sequence),
    logGuid,
    flushedFileOffset: 4 * MiB,
    lastFileOffset: 5 * MiB,
  };
  const updates = Array.from({ length: sectors }, (_, index) => ({
    fileOffset: offset + index * sectorBytes,
    bytes: Buffer.alloc(sectorBytes, fill),
  }));
  return encodeEntry(fields, updates);
}

/** A log with entries at given sectors, around its end if need be. */
function logWith(...entries: readonly (readonly [number, Buffer])[]): Buffer {
  const log = Buffer.alloc(64 * sectorBytes);
  for (const [sector, bytes] of entries) {
    for (let at = 0; at < bytes.length; at += sectorBytes) {
      bytes.copy(log, (sector * sectorBytes + at) % log.length, at, at + sectorBytes);
    }
  }
  return log;
}

function replayed(log: Buffer): readonly number[] | undefined {
  return findActiveSequence(log, place)?.entries.map((found) => Number(found.header.sequenceNumber));
}

test('an entry gives back what was put into it, first and last bytes of sectors included', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: sectorBytes, maxLength: sectorBytes }), { maxLength: 140 }),
      fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
      (contents, sequenceNumber) => {
        const sectors = contents.map((bytes, index) => ({
          fileOffset: 3 * MiB + index * sectorBytes,
          bytes,
        }));
        const fields = {
          tail: 0,
          sequenceNumber,
          logGuid: guid,
          flushedFileOffset: MiB,
          lastFileOffset: MiB,
        };
        const bytes = encodeEntry(fields, sectors);
        assert.equal(bytes.length, entryLength(sectors.length));
        const header = parseEntryHeader(bytes, MiB);
        const parsed = header && parseEntry(bytes, header);
        assert.deepEqual(
          parsed?.updates.map((update) => update.kind === 'data' && Buffer.from(update.bytes)),
          contents.map((content) => Buffer.from(content)),
        );
      },
    ),
    { numRuns: 20 },
  );
});

test('an entry takes as many sectors as fit', () => {
  for (const bytes of [0, 4096, 8192, MiB, MiB / 2]) {
    const sectors = sectorsThatFit(bytes);
    assert.ok(sectors === 0 || entryLength(sectors) <= bytes);
    assert.ok(entryLength(sectors + 1) > bytes);
  }
});

test('the sequence with the highest number is replayed from its tail', () => {
  const first = entry({ sequence: 1, tail: 0 });
  const second = entry({ sequence: 2, tail: 0 });
  const third = entry({ sequence: 3, tail: 2 * sectorBytes });
  assert.deepEqual(replayed(logWith([0, first], [2, second], [4, third])), [2, 3]);
  assert.deepEqual(replayed(logWith([0, first], [2, second])), [1, 2]);
});

test('entries of another generation are skipped, and without one of ours there is none', () => {
  const old = entry({ sequence: 9, tail: 0, guid: other });
  assert.deepEqual(replayed(logWith([0, old], [2, entry({ sequence: 1, tail: 2 * sectorBytes })])), [1]);
  assert.equal(replayed(logWith([0, old])), undefined);
  assert.equal(replayed(Buffer.alloc(sectorBytes)), undefined);
});

test('a sequence may run around the end of the log', () => {
  const log = logWith(
    [61, entry({ sequence: 4, tail: 61 * sectorBytes })],
    [63, entry({ sequence: 5, tail: 61 * sectorBytes, sectors: 2 })],
    [2, entry({ sequence: 6, tail: 61 * sectorBytes })],
  );
  assert.deepEqual(replayed(log), [4, 5, 6]);
});

test('a torn entry ends the sequence before it; a tail that is gone makes the sequence void', () => {
  const torn = entry({ sequence: 2, tail: 0 });
  torn[5000]! ^= 1;
  assert.deepEqual(replayed(logWith([0, entry({ sequence: 1, tail: 0 })], [2, torn])), [1]);
  assert.equal(replayed(logWith([2, entry({ sequence: 2, tail: 0 })])), undefined);
});

test('an entry without descriptors is legal', () => {
  assert.deepEqual(replayed(logWith([0, entry({ sequence: 1, tail: 0, sectors: 0 })])), [1]);
});

test('an entry that writes to the headers, the log or the far end does not count', () => {
  for (const offset of [0, 64 * 1024, 128 * 1024, MiB, MiB + 32 * sectorBytes, 2 ** 47]) {
    assert.equal(replayed(logWith([0, entry({ sequence: 1, tail: 0, offset })])), undefined, `at ${offset}`);
  }
  assert.deepEqual(replayed(logWith([0, entry({ sequence: 1, tail: 0, offset: 192 * 1024 })])), [1]);
});

/** What a search looks at: bytes that are summed, and words that are read. */
function costOf(search: () => void): { readonly summed: number; readonly words: number } {
  const sums = mock.method(crc32, 'crc32c');
  const words = mock.method(Buffer.prototype, 'readBigUInt64LE');
  try {
    search();
    const summed = sums.mock.calls.reduce((sum, call) => sum + (call.arguments[0] as Buffer).length, 0);
    return { summed, words: words.mock.callCount() };
  } finally {
    mock.restoreAll();
  }
}

/** Each sector is looked at a few times, however many there are. */
function assertLinear(log: Buffer, cost: { readonly summed: number; readonly words: number }): void {
  assert.ok(cost.summed <= 2 * log.length, `${cost.summed} bytes were summed of ${log.length}`);
  const sectors = log.length / sectorBytes;
  assert.ok(cost.words <= 20 * sectors, `${cost.words} words were read in ${sectors} sectors`);
}

test('a log of entries that all claim to be long is searched in linear time', () => {
  const log = Buffer.alloc(4 * MiB);
  const header = entry({ sequence: 1, tail: 0, sectors: 0 });
  for (let at = 0; at < log.length; at += sectorBytes) {
    header.copy(log, at);
    log.writeUInt32LE(log.length, at + 8);
    log.writeUInt32LE(4000, at + 24);
  }
  assertLinear(
    log,
    costOf(() => assert.equal(findActiveSequence(log, place), undefined)),
  );
});

test('so is one long sequence whose tail is gone', () => {
  const log = Buffer.alloc(MiB);
  for (let at = sectorBytes; at < log.length; at += sectorBytes) {
    entry({ sequence: at / sectorBytes, tail: 0, sectors: 0 }).copy(log, at);
  }
  assertLinear(
    log,
    costOf(() => assert.equal(findActiveSequence(log, place), undefined)),
  );
});
