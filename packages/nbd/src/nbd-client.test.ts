import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import fc from 'fast-check';
import { NbdClient } from './nbd-client.ts';
import {
  CHUNK,
  COMMAND,
  encodeChunk,
  encodeOptionReply,
  encodeSimpleReply,
  encodeUint32,
  type NbdRequest,
  OPTION,
  OPTION_REPLY,
} from './protocol.ts';
import { startFakeServer } from './testing/fake-server.ts';
import { socketDirectory } from './testing/socket-directory.ts';

const code = (expected: string) => (error: unknown) => isCorralError(error, expected);

function dataReply(request: NbdRequest, fill: number): Buffer {
  const head = Buffer.alloc(8);
  head.writeBigUInt64BE(request.offset);
  const length = 8 + request.length;
  return Buffer.concat([
    encodeChunk(request.cookie, CHUNK.offsetData, length, true),
    head,
    Buffer.alloc(request.length, fill),
  ]);
}

const done = (request: NbdRequest): Buffer => encodeChunk(request.cookie, CHUNK.none, 0, true);

test('a server without structured replies is read and written', async () => {
  await using server = await startFakeServer({
    structured: false,
    reply: (request) =>
      Buffer.concat([
        encodeSimpleReply(request.cookie, 0),
        Buffer.alloc(request.type === COMMAND.read ? request.length : 0, 9),
      ]),
  });
  await using client = await NbdClient.connect({ path: server.path, contexts: ['base:allocation'] });
  assert.ok((await client.read(0, 1000)).every((byte) => byte === 9));
  await client.write(0, Buffer.alloc(4464));
  assert.deepEqual(client.contexts, []);
  await assert.rejects(client.blockStatus(0, 10), code('nbd.unsupported'));
  await assert.rejects(client.extents('base:allocation').next(), code('nbd.context-missing'));
});

test('a long read is cut into pieces that are under way together, within the window', async () => {
  let under = 0;
  let most = 0;
  const later: (() => void)[] = [];
  await using server = await startFakeServer({
    size: 2 ** 30,
    reply: (request) => {
      under += 1;
      most = Math.max(most, under);
      later.push(() => {
        under -= 1;
        server.send(dataReply(request, 5));
      });
      // Answers the youngest first, when as many as the window allows are there.
      setImmediate(() => later.pop()?.());
      return undefined;
    },
  });
  await using client = await NbdClient.connect({ path: server.path, window: 4 });
  const bytes = await client.read(100, 5_000_000);
  assert.ok(bytes.every((byte) => byte === 5));
  assert.ok(most > 1 && most <= 4, `${most} requests at once`);
  assert.ok(server.requests.every((request) => request.length <= 256 * 1024));
});

test('the greatest length of the server and its blocks are kept to', async () => {
  await using server = await startFakeServer({
    size: 2 ** 20,
    blockSizes: [512, 4096, 100_000],
    reply: (request) => dataReply(request, 1),
  });
  await using client = await NbdClient.connect({ path: server.path });
  assert.deepEqual(client.blockSizes, { minimum: 512, preferred: 4096, maximum: 99_840 });
  await client.read(512, 2 ** 20 - 512);
  assert.ok(server.requests.every((request) => request.length <= 99_840 && request.length % 512 === 0));
  await assert.rejects(client.read(1, 512), code('nbd.unaligned'));
  await assert.rejects(client.read(0, 100), code('nbd.unaligned'));
});

test('what does not lie within the export is refused before anything is sent', async () => {
  await using server = await startFakeServer({ size: 65_536 });
  await using client = await NbdClient.connect({ path: server.path });
  const ranges: readonly (readonly [number, number])[] = [
    [-1, 1],
    [0, 65_537],
    [65_536, 1],
    [0.5, 1],
    [0, Number.NaN],
    [Number.MAX_SAFE_INTEGER, 2],
  ];
  for (const [offset, length] of ranges) {
    await assert.rejects(client.read(offset, length), code('nbd.out-of-range'));
    await assert.rejects(client.trim(offset, length), code('nbd.out-of-range'));
  }
  await client.read(65_536, 0);
  assert.deepEqual(server.requests, []);
});

test('what the export does not offer is refused before anything is sent', async () => {
  await using server = await startFakeServer({ flags: 1 });
  await using readOnly = await startFakeServer({ flags: 1 | 2 | 64 });
  await using client = await NbdClient.connect({ path: server.path });
  await using other = await NbdClient.connect({ path: readOnly.path });
  await assert.rejects(client.flush(), code('nbd.unsupported'));
  await assert.rejects(client.trim(0, 1), code('nbd.unsupported'));
  await assert.rejects(client.writeZeroes(0, 1), code('nbd.unsupported'));
  await assert.rejects(client.write(0, Buffer.alloc(1), { fua: true }), code('nbd.unsupported'));
  await assert.rejects(other.write(0, Buffer.alloc(1)), code('nbd.read-only'));
  await assert.rejects(other.writeZeroes(0, 1), code('nbd.read-only'));
  assert.deepEqual(server.requests, []);
});

test('a failed request names command and error, and the connection goes on', async () => {
  await using server = await startFakeServer({
    reply: (request) =>
      request.type === COMMAND.write ? encodeSimpleReply(request.cookie, 28) : done(request),
  });
  await using client = await NbdClient.connect({ path: server.path, peer: 'the export of disk data' });
  await assert.rejects(client.write(0, Buffer.alloc(10)), (error) => {
    assert.ok(isCorralError(error, 'nbd.request-failed'));
    assert.match(error.message, /The server of the export of disk data could not carry out "write": ENOSPC/);
    return true;
  });
  await client.flush();
});

test('an aborted read leaves its buffer alone, and a late reply disturbs nobody', async () => {
  const silent = new Set<bigint>();
  await using server = await startFakeServer({
    reply: (request) => {
      if (request.offset !== 0n) return dataReply(request, 3);
      silent.add(request.cookie);
      return undefined;
    },
  });
  await using client = await NbdClient.connect({ path: server.path, window: 2 });
  const target = Buffer.alloc(1000, 0xaa);
  await assert.rejects(client.readInto(target, 0, { limitMs: 10 }), code('core.timeout'));
  const [late] = server.requests;
  server.send(dataReply(late!, 4));
  assert.ok((await client.read(1000, 1000)).every((byte) => byte === 3));
  assert.ok(target.every((byte) => byte === 0xaa));
  const aborted = client.read(0, 10, { signal: AbortSignal.abort(new Error('not needed')) });
  await assert.rejects(aborted, /not needed/);
  assert.equal(silent.size, 1);
});

test('the loss of the connection and closing end what is under way', async () => {
  await using server = await startFakeServer();
  const lost = await NbdClient.connect({ path: server.path, window: 1 });
  const reads = [lost.read(0, 10), lost.read(10, 10)].map((read) =>
    assert.rejects(read, code('nbd.connection-lost')),
  );
  server.disconnect();
  await Promise.all(reads);
  assert.ok(isCorralError(await lost.closed, 'nbd.connection-lost'));
  await assert.rejects(lost.read(0, 10), code('nbd.connection-lost'));
  const closed = await NbdClient.connect({ path: server.path });
  const read = assert.rejects(closed.read(0, 10), code('nbd.closed'));
  await closed.close();
  await read;
  await assert.rejects(closed.read(0, 10), code('nbd.closed'));
});

test('a server that breaks the protocol ends the connection', async () => {
  await using server = await startFakeServer({
    reply: (request) => encodeSimpleReply(request.cookie + 1n, 0),
  });
  await using client = await NbdClient.connect({ path: server.path });
  await assert.rejects(client.flush(), code('nbd.protocol'));
  assert.ok(isCorralError(await client.closed, 'nbd.protocol'));
});

test('extents are asked for until the end, joined, and cut where the server says too much', async () => {
  await using server = await startFakeServer({
    size: 10_000,
    contexts: { 'qemu:dirty-bitmap:b': 5, 'base:allocation': 9 },
    reply: (request) => {
      const second = request.length > 1000 ? [1000, request.offset < 4000n ? 1 : 0] : [];
      const payload = encodeUint32(5, 1000, 1, ...second);
      const other = encodeUint32(9, 100_000, 3);
      return Buffer.concat([
        encodeChunk(request.cookie, CHUNK.blockStatus, payload.length, false),
        payload,
        encodeChunk(request.cookie, CHUNK.blockStatus, other.length, true),
        other,
      ]);
    },
  });
  const contexts = ['base:allocation', 'qemu:dirty-bitmap:b', 'qemu:dirty-bitmap:none'];
  await using client = await NbdClient.connect({ path: server.path, contexts });
  assert.deepEqual(client.contexts.toSorted(), ['base:allocation', 'qemu:dirty-bitmap:b']);
  const range = { offset: 1000, length: 6500 };
  assert.deepEqual(await Array.fromAsync(client.extents('qemu:dirty-bitmap:b', range)), [
    { offset: 1000, length: 5000, flags: 1 },
    { offset: 6000, length: 1000, flags: 0 },
    { offset: 7000, length: 500, flags: 1 },
  ]);
  assert.deepEqual(await Array.fromAsync(client.extents('base:allocation')), [
    { offset: 0, length: 10_000, flags: 3 },
  ]);
  await assert.rejects(client.extents('qemu:dirty-bitmap:none').next(), code('nbd.context-missing'));
});

test('a block status that leaves out the context breaks the protocol', async () => {
  await using server = await startFakeServer({
    contexts: { 'base:allocation': 9 },
    reply: (request) => {
      const payload = encodeUint32(8, 1000, 1);
      return Buffer.concat([encodeChunk(request.cookie, CHUNK.blockStatus, payload.length, true), payload]);
    },
  });
  await using client = await NbdClient.connect({ path: server.path, contexts: ['base:allocation'] });
  await assert.rejects(client.extents('base:allocation').next(), code('nbd.protocol'));
});

test('nobody listens, nobody greets, the export is not there, TLS is wanted: each has its own error', async () => {
  await using nobody = await socketDirectory();
  await using silent = await startFakeServer({ greeting: Buffer.alloc(0) });
  const refuse = (type: number) =>
    startFakeServer({
      optionReplies: { [OPTION.go]: encodeOptionReply(OPTION.go, type, Buffer.from('why')) },
    });
  await using unknown = await refuse(OPTION_REPLY.errUnknown);
  await using tls = await refuse(OPTION_REPLY.errTlsRequired);
  await using policy = await refuse(OPTION_REPLY.errPolicy);
  const connect = (path: string, limitMs?: number): Promise<NbdClient> =>
    NbdClient.connect({ path, exportName: 'data', limitMs });
  await assert.rejects(connect(nobody.path), code('nbd.not-listening'));
  await assert.rejects(connect(silent.path, 20), code('nbd.no-handshake'));
  await assert.rejects(connect(unknown.path), code('nbd.export-missing'));
  await assert.rejects(connect(tls.path), code('nbd.refused'));
  await assert.rejects(connect(policy.path), code('nbd.refused'));
});

test('a negotiation that makes no sense is refused', async () => {
  const info = (...parts: Buffer[]): Buffer =>
    encodeOptionReply(OPTION.go, OPTION_REPLY.info, Buffer.concat(parts));
  const ack = encodeOptionReply(OPTION.go, OPTION_REPLY.ack);
  const huge = Buffer.from(ack);
  huge.writeUInt32BE(0x7fffffff, 16);
  const replies = [
    ack,
    huge,
    encodeOptionReply(OPTION.list, OPTION_REPLY.ack),
    Buffer.concat([info(Buffer.alloc(5)), ack]),
    Buffer.concat([info(Buffer.alloc(12)), ack]),
    Buffer.concat([info(Buffer.from([0, 3]), encodeUint32(3, 4096, 65_536)), ack]),
    Buffer.concat([info(Buffer.from([0, 3]), encodeUint32(512, 4096, 100)), ack]),
  ];
  for (const reply of replies) {
    await using server = await startFakeServer({ optionReplies: { [OPTION.go]: reply } });
    await assert.rejects(NbdClient.connect({ path: server.path }), code('nbd.protocol'));
  }
  const tooLarge = Buffer.concat([info(Buffer.from('0000ffffffffffffffff0001', 'hex')), ack]);
  await using server = await startFakeServer({ optionReplies: { [OPTION.go]: tooLarge } });
  await assert.rejects(NbdClient.connect({ path: server.path }), code('nbd.size-unusable'));
  await using oldstyle = await startFakeServer({ greeting: Buffer.from('NBDMAGIC0000000000000000') });
  await assert.rejects(NbdClient.connect({ path: oldstyle.path }), code('nbd.protocol'));
});

test('whatever a server sends instead of its negotiation, connecting ends in an error of the registry', async () => {
  const start = Buffer.from('4e42444d4147494349484156454f50540003', 'hex');
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((raw) => Buffer.from(raw)),
    fc.uint8Array({ maxLength: 200 }).map((raw) => Buffer.concat([start, raw])),
    fc.uint8Array({ maxLength: 60 }).map((raw) => {
      const reply = encodeOptionReply(OPTION.structuredReply, OPTION_REPLY.ack);
      return Buffer.concat([start, reply, encodeOptionReply(OPTION.go, OPTION_REPLY.info, raw)]);
    }),
  );
  const property = fc.asyncProperty(bytes, async (greeting) => {
    await using server = await startFakeServer({ greeting });
    const outcome = await NbdClient.connect({ path: server.path, limitMs: 10 }).then(
      () => 'connected',
      (error: unknown) => error,
    );
    assert.ok(isCorralError(outcome) && outcome.code.startsWith('nbd.'), String(outcome));
  });
  await fc.assert(property, { numRuns: 40 });
});
