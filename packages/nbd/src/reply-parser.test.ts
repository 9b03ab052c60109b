import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import fc from 'fast-check';
import { PendingRequest } from './pending-request.ts';
import { CHUNK, COMMAND, encodeChunk, encodeSimpleReply, encodeUint16, encodeUint32 } from './protocol.ts';
import { ReplyParser } from './reply-parser.ts';

const OFFSET = 4096;
const LENGTH = 2048;

function offsetOf(at: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(OFFSET + at));
  return bytes;
}

function data(at: number, bytes: Buffer, done: boolean): Buffer {
  return Buffer.concat([encodeChunk(1n, CHUNK.offsetData, 8 + bytes.length, done), offsetOf(at), bytes]);
}

function hole(at: number, length: number, done: boolean): Buffer {
  return Buffer.concat([encodeChunk(1n, CHUNK.offsetHole, 12, done), offsetOf(at), encodeUint32(length)]);
}

function failure(errno: number, text: string, done: boolean): Buffer {
  const payload = Buffer.concat([encodeUint32(errno), encodeUint16(text.length), Buffer.from(text)]);
  return Buffer.concat([encodeChunk(1n, CHUNK.error, payload.length, done), payload]);
}

const none = encodeChunk(1n, CHUNK.none, 0, true);

/** A parser with one request under way, of cookie 1, whose target lies between two fences. */
function parserOf(type: number, structured = true) {
  const memory = Buffer.alloc(LENGTH + 20, 0xee);
  const request = new PendingRequest(type, OFFSET, LENGTH, memory.subarray(10, 10 + LENGTH));
  // These tests look at the failure; the promise is for the client.
  request.promise.catch(() => undefined);
  let ended = false;
  const table = {
    get: (cookie: bigint) => (cookie === 1n && !ended ? request : undefined),
    finished: () => {
      ended = true;
    },
  };
  const parser = new ReplyParser('the export', table, structured);
  return { parser, request, memory, target: memory.subarray(10, 10 + LENGTH), ended: () => ended };
}

/** Pushes in pieces of at most `step` bytes. */
function push(parser: ReplyParser, bytes: Buffer, step = bytes.length): void {
  for (let at = 0; at < bytes.length; at += step) parser.push(bytes.subarray(at, at + step));
}

function assertBreach(type: number, bytes: Buffer, structured = true): void {
  const { parser } = parserOf(type, structured);
  assert.throws(
    () => push(parser, bytes),
    (error) => isCorralError(error, 'nbd.protocol'),
  );
}

test('a read is put together from data and holes in any order, wherever the bytes are cut', () => {
  const content = Buffer.from(Array.from({ length: LENGTH }, (_, index) => 1 + (index % 250)));
  const property = fc.property(
    fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }),
    fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
    fc.integer({ min: 1, max: 400 }),
    (order, holes, step) => {
      const { parser, target, memory, ended } = parserOf(COMMAND.read);
      const expected = Buffer.from(content);
      const chunks = order.map((index) => {
        const at = index * 256;
        if (!holes[index]) return data(at, content.subarray(at, at + 256), false);
        expected.fill(0, at, at + 256);
        return hole(at, 256, false);
      });
      push(parser, Buffer.concat([...chunks, none]), step);
      assert.ok(ended());
      assert.ok(target.equals(expected));
      assert.ok(memory.subarray(0, 10).every((byte) => byte === 0xee));
    },
  );
  fc.assert(property);
});

test('without structured replies the data follows the header', () => {
  const { parser, target, ended } = parserOf(COMMAND.read, false);
  push(parser, Buffer.concat([encodeSimpleReply(1n, 0), Buffer.alloc(LENGTH, 7)]), 100);
  assert.ok(ended());
  assert.ok(target.every((byte) => byte === 7));
});

test('an error keeps its number and its words, in both kinds of reply', () => {
  const structured = parserOf(COMMAND.read);
  push(
    structured.parser,
    Buffer.concat([data(0, Buffer.alloc(5), false), failure(5, 'bad sector', true)]),
    3,
  );
  assert.deepEqual(structured.request.failure, { errno: 'EIO', desc: 'bad sector' });
  const simple = parserOf(COMMAND.write, false);
  push(simple.parser, encodeSimpleReply(1n, 28));
  assert.deepEqual(simple.request.failure, { errno: 'ENOSPC', desc: '' });
  assert.ok(structured.ended() && simple.ended());
});

test('an abandoned read takes its data without touching the target', () => {
  const { parser, request, target, ended } = parserOf(COMMAND.read);
  const reply = data(0, Buffer.alloc(LENGTH, 7), true);
  push(parser, reply.subarray(0, 500));
  request.abandon();
  const before = Buffer.from(target);
  push(parser, reply.subarray(500));
  assert.ok(ended());
  assert.ok(target.equals(before));
});

test('extents come with their context, and the last is cut at the end of the request', () => {
  const { parser, request, ended } = parserOf(COMMAND.blockStatus);
  const payload = encodeUint32(7, 1024, 0, 8192, 3);
  const other = encodeUint32(8, 512, 1);
  const reply = [
    encodeChunk(1n, CHUNK.blockStatus, payload.length, false),
    payload,
    encodeChunk(1n, CHUNK.blockStatus, other.length, true),
    other,
  ];
  push(parser, Buffer.concat(reply), 5);
  assert.ok(ended());
  assert.deepEqual(request.extents.get(7), [
    { offset: 4096, length: 1024, flags: 0 },
    { offset: 5120, length: 1024, flags: 3 },
  ]);
  assert.deepEqual(request.extents.get(8), [{ offset: 4096, length: 512, flags: 1 }]);
});

test('what breaks the protocol is refused', () => {
  const full = Buffer.alloc(LENGTH);
  const status = (...numbers: number[]): Buffer => {
    const payload = encodeUint32(...numbers);
    return Buffer.concat([encodeChunk(1n, CHUNK.blockStatus, payload.length, true), payload]);
  };
  const reads = {
    'another magic': Buffer.from('HTTP'),
    'a reply to nothing': encodeChunk(2n, CHUNK.none, 0, true),
    'no data at all': none,
    'too little data': data(0, full.subarray(1), true),
    'too much data': data(0, Buffer.alloc(LENGTH + 1), true),
    'data before the request': data(-1, Buffer.alloc(1), true),
    'data behind the request': data(LENGTH, Buffer.alloc(1), true),
    'the same data twice': Buffer.concat([data(0, full, false), data(5, full.subarray(0, 1), true)]),
    'a hole that is too long': hole(0, 0xffffffff, true),
    'a hole of nothing': hole(0, 0, true),
    'a data chunk without data': encodeChunk(1n, CHUNK.offsetData, 8, true),
    'an unknown chunk': encodeChunk(1n, 99, 0, true),
    'an empty chunk that goes on': encodeChunk(1n, CHUNK.none, 0, false),
    'a simple reply to a read': Buffer.concat([encodeSimpleReply(1n, 0), full]),
    'a second reply': Buffer.concat([data(0, full, true), none]),
    'extents for a read': status(1, 10, 0),
    'an endless error': encodeChunk(1n, CHUNK.error, 0xffffffff, true),
    'an error longer than itself': Buffer.concat([
      encodeChunk(1n, CHUNK.error, 6, true),
      encodeUint32(5),
      Buffer.of(1, 0),
    ]),
    'error after error': Buffer.concat(Array.from({ length: 400 }, () => failure(5, '', false))),
  };
  for (const bytes of Object.values(reads)) assertBreach(COMMAND.read, bytes);
  assertBreach(COMMAND.read, none, false);
  assertBreach(COMMAND.write, data(0, full, true));
  assertBreach(COMMAND.blockStatus, none);
  assertBreach(COMMAND.blockStatus, encodeSimpleReply(1n, 0));
  assertBreach(COMMAND.blockStatus, status(1));
  assertBreach(COMMAND.blockStatus, status(1, 0, 0));
  assertBreach(COMMAND.blockStatus, status(1, LENGTH, 0, 1, 0));
  assertBreach(COMMAND.blockStatus, status(1, 10));
  assertBreach(COMMAND.blockStatus, encodeChunk(1n, CHUNK.blockStatus, 0xfffffffc, true));
});

test('whatever arrives, the parser ends the request, waits, or refuses, and never writes outside', () => {
  const valid = fc.constantFrom(
    data(0, Buffer.alloc(LENGTH, 1), true),
    Buffer.concat([hole(0, 1024, false), data(1024, Buffer.alloc(1024, 2), false), none]),
    failure(5, 'bad', true),
    encodeSimpleReply(1n, 0),
  );
  const change = fc.tuple(fc.nat(5000), fc.nat(255));
  const property = fc.property(
    valid,
    fc.array(change, { maxLength: 4 }),
    fc.constantFrom(COMMAND.read, COMMAND.write, COMMAND.blockStatus),
    fc.boolean(),
    fc.integer({ min: 1, max: 3000 }),
    (reply, changes, type, structured, step) => {
      const bytes = Buffer.from(reply);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      const { parser, memory } = parserOf(type, structured);
      try {
        push(parser, bytes, step);
      } catch (error) {
        assert.ok(isCorralError(error, 'nbd.protocol'), String(error));
      }
      assert.ok(memory.subarray(0, 10).every((byte) => byte === 0xee));
      assert.ok(memory.subarray(10 + LENGTH).every((byte) => byte === 0xee));
    },
  );
  fc.assert(property, { numRuns: 1000 });
});
