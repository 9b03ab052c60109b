import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type JsonLine, JsonLineSplitter } from './json-lines.ts';

const LIMITS = { maxBytes: 1000, maxDepth: 8 };

function split(bytes: Uint8Array, cuts: readonly number[] = [], limits = LIMITS): JsonLine[] {
  const splitter = new JsonLineSplitter(limits);
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...ends].flatMap((start, index) => splitter.push(bytes.subarray(start, ends[index])));
}

function values(lines: readonly JsonLine[]): unknown[] {
  return lines.map((line) => (line.kind === 'value' ? line.value : line.reason));
}

test('values come out as they went in, wherever the bytes are cut', () => {
  const property = fc.property(
    fc.array(fc.jsonValue({ maxDepth: 5 })),
    fc.array(fc.nat()),
    fc.constantFrom('\n', '\r\n'),
    (sent, cuts, end) => {
      const texts = sent.map((value) => JSON.stringify(value));
      const bytes = Buffer.from(texts.map((text) => text + end).join(''));
      const limits = { maxBytes: 1e6, maxDepth: 8 };
      assert.deepEqual(
        values(split(bytes, cuts, limits)),
        texts.map((text) => JSON.parse(text)),
      );
    },
  );
  fc.assert(property);
});

test('whatever the bytes and wherever they are cut, the lines are the same and nothing throws', () => {
  const byte = fc.oneof(fc.constantFrom(...Buffer.from('\n\n{}[]"\\:,1\xff', 'latin1')), fc.nat(255));
  const property = fc.property(
    fc.array(byte, { maxLength: 400 }),
    fc.array(fc.nat()),
    fc.integer({ min: 1, max: 50 }),
    (raw, cuts, maxBytes) => {
      const bytes = Uint8Array.from(raw);
      const limits = { maxBytes, maxDepth: 3 };
      assert.deepEqual(values(split(bytes, cuts, limits)), values(split(bytes, [], limits)));
    },
  );
  fc.assert(property, { numRuns: 1000 });
});

test('a line that is too long is one piece of garbage, and the next line is read', () => {
  const lines = split(Buffer.from(`${'x'.repeat(1001)}${'y'.repeat(5000)}\n{"a":1}\n`), [500, 1500, 3000]);
  assert.deepEqual(values(lines), ['too long', { a: 1 }]);
});

test('a line of exactly the limit is read', () => {
  assert.deepEqual(values(split(Buffer.from(`"${'x'.repeat(998)}"\n`))), ['x'.repeat(998)]);
});

test('what is nested too deeply is garbage, brackets inside of strings do not count', () => {
  const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
  const text = `${deep(8)}\n${deep(9)}\n${JSON.stringify('["\\'.repeat(20))}\n`;
  assert.deepEqual(values(split(Buffer.from(text))), [
    JSON.parse(deep(8)),
    'nested too deeply',
    '["\\'.repeat(20),
  ]);
});

test('bytes that are not UTF-8 are garbage', () => {
  assert.deepEqual(values(split(Buffer.from('"\xc3\x28"\n', 'latin1'))), ['not JSON']);
});

test('a byte 0xFF drops what was received of the line', () => {
  const bytes = Buffer.from('{"half": \xff{"return": 7}\n', 'latin1');
  assert.deepEqual(values(split(bytes, [3, 9, 10])), [{ return: 7 }]);
});

test('a byte 0xFF ends a line that was too long', () => {
  const bytes = Buffer.concat([Buffer.alloc(3000, 'x'), Buffer.of(0xff), Buffer.from('1\n')]);
  assert.deepEqual(values(split(bytes)), ['too long', 1]);
});

test('a changed limit counts for the line under way', () => {
  const splitter = new JsonLineSplitter(LIMITS);
  splitter.push(Buffer.from(`"${'x'.repeat(900)}`));
  splitter.setMaxBytes(3000);
  assert.deepEqual(values(splitter.push(Buffer.from(`${'x'.repeat(1000)}"\n`))), ['x'.repeat(1900)]);
});
