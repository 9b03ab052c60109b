import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import fc from 'fast-check';
import { NbdClient } from './nbd-client.ts';
import type { NbdExport } from './nbd-export.ts';
import { NbdServer, type NbdServerOptions } from './nbd-server.ts';
import {
  BASE_ALLOCATION,
  COMMAND,
  encodeOption,
  encodeRequest,
  encodeText,
  encodeUint16,
  encodeUint32,
  OPTION,
} from './protocol.ts';
import { MEMORY_BLOCK, MemoryExport } from './testing/memory-export.ts';
import { socketDirectory } from './testing/socket-directory.ts';

const code = (expected: string) => (error: unknown) => isCorralError(error, expected);

interface Harness extends AsyncDisposable {
  readonly path: string;
  readonly server: NbdServer;
  readonly errors: unknown[];
}

/** A server of `disk` as `data`, and of what else is given. */
async function serve(disk: NbdExport, more: Partial<NbdServerOptions> = {}): Promise<Harness> {
  const directory = await socketDirectory();
  const errors: unknown[] = [];
  const server = await NbdServer.listen({
    path: directory.path,
    exports: new Map([['data', disk]]),
    onError: (error) => errors.push(error),
    ...more,
  });
  return {
    path: directory.path,
    server,
    errors,
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const client = (path: string): Promise<NbdClient> =>
  NbdClient.connect({ path, exportName: 'data', contexts: [BASE_ALLOCATION] });

type Operation =
  | { readonly kind: 'read' | 'zero' | 'zero no hole' | 'trim'; readonly at: number; readonly length: number }
  | { readonly kind: 'write'; readonly at: number; readonly length: number; readonly fill: number };

test('a disk behind server and client behaves as the disk itself', async () => {
  const SIZE = 700_001;
  const range = { at: fc.nat(SIZE - 1), length: fc.integer({ min: 1, max: 600_000 }) };
  const operation: fc.Arbitrary<Operation> = fc.oneof(
    fc.record({ kind: fc.constantFrom('read', 'zero', 'zero no hole', 'trim'), ...range }),
    fc.record({ kind: fc.constant('write'), fill: fc.integer({ min: 1, max: 255 }), ...range }),
  );
  const property = fc.asyncProperty(fc.array(operation, { maxLength: 12 }), async (operations) => {
    const served = new MemoryExport(SIZE);
    const model = new MemoryExport(SIZE);
    await using harness = await serve(served);
    await using remote = await client(harness.path);
    for (const step of operations) {
      const length = Math.min(step.length, SIZE - step.at);
      await apply(remote, model, step, length);
    }
    assert.ok((await remote.read(0, SIZE)).equals(model.bytes));
    const extents = await Array.fromAsync(remote.extents(BASE_ALLOCATION));
    assert.equal(
      extents.reduce((end, extent) => (extent.offset === end ? end + extent.length : -1), 0),
      SIZE,
    );
    for (const { offset, length, flags } of extents) {
      for (let at = offset; at < offset + length; at += MEMORY_BLOCK) assert.equal(flags, model.flagsAt(at));
    }
    assert.deepEqual(harness.errors, []);
  });
  await fc.assert(property, { numRuns: 20 });
});

async function apply(remote: NbdClient, model: MemoryExport, step: Operation, length: number): Promise<void> {
  const { at } = step;
  if (step.kind === 'read') {
    assert.ok((await remote.read(at, length)).equals(await model.read(at, length)));
  } else if (step.kind === 'write') {
    const data = Buffer.alloc(length, step.fill);
    await remote.write(at, data);
    await model.write(at, data);
  } else if (step.kind === 'trim') {
    await remote.trim(at, length);
    await model.trim(at, length);
  } else {
    const mayTrim = step.kind === 'zero';
    await remote.writeZeroes(at, length, { mayTrim });
    await model.zero(at, length, mayTrim);
  }
}

test('the socket is for its owner alone, and goes with the server', async () => {
  const harness = await serve(new MemoryExport(512));
  const { mode } = await stat(harness.path);
  assert.equal(mode & 0o777, 0o600);
  await assert.rejects(
    NbdServer.listen({ path: harness.path, exports: new Map(), onError: () => undefined }),
    code('nbd.socket-in-use'),
  );
  await harness.server.close();
  await assert.rejects(stat(harness.path), { code: 'ENOENT' });
  await harness[Symbol.asyncDispose]();
});

test('exports are listed, and one that is not there is refused by name', async () => {
  const exports = new Map([
    ['', new MemoryExport(512)],
    ['data', new MemoryExport(1024)],
  ]);
  await using harness = await serve(new MemoryExport(512), { exports });
  assert.deepEqual(await NbdClient.listExports({ path: harness.path }), ['', 'data']);
  await using byDefault = await NbdClient.connect({ path: harness.path });
  assert.equal(byDefault.size, 512);
  await assert.rejects(
    NbdClient.connect({ path: harness.path, exportName: 'other' }),
    code('nbd.export-missing'),
  );
});

test('an export without write is read-only, and offers what its functions allow', async () => {
  const disk: NbdExport = { size: 1000, read: async (_offset, length) => Buffer.alloc(length) };
  await using harness = await serve(disk);
  await using remote = await client(harness.path);
  assert.equal(remote.readOnly, true);
  assert.deepEqual([remote.canFlush, remote.canTrim, remote.canWriteZeroes], [false, false, false]);
  assert.deepEqual(remote.contexts, []);
  assert.equal((await remote.read(0, 1000)).length, 1000);
});

test('FUA is a flush after the write', async () => {
  const disk = new MemoryExport(1000);
  await using harness = await serve(disk);
  await using remote = await client(harness.path);
  await remote.write(0, Buffer.alloc(10));
  assert.equal(disk.flushes, 0);
  await remote.write(0, Buffer.alloc(10), { fua: true });
  assert.equal(disk.flushes, 1);
  await remote.flush();
  assert.equal(disk.flushes, 2);
});

test('what an export throws reaches the client by its number and the host in full', async () => {
  const full = new Error('write failed', { cause: Object.assign(new Error('no space'), { code: 'ENOSPC' }) });
  class Broken extends MemoryExport {
    override read(): Promise<Buffer> {
      return Promise.resolve(Buffer.alloc(3));
    }
    override write(): Promise<void> {
      return Promise.reject(full);
    }
    override *extents() {
      yield { offset: 7, length: 1, flags: 0 };
    }
  }
  await using harness = await serve(new Broken(1000));
  await using remote = await client(harness.path);
  await assert.rejects(remote.write(0, Buffer.alloc(1)), /ENOSPC/);
  await assert.rejects(
    remote.read(0, 10),
    /EIO \(The export "data" gave the NBD server what it cannot send: 3 bytes/,
  );
  await assert.rejects(remote.blockStatus(0, 1000), /EIO/);
  assert.equal(harness.errors[0], full);
  assert.ok(isCorralError(harness.errors[1], 'nbd.export-broken'));
  assert.equal(harness.errors.length, 3);
});

test('requests run side by side, and closing waits for them', async () => {
  const started = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  let under = 0;
  let aborted = false;
  const disk: NbdExport = {
    size: 2 ** 20,
    read: async (_offset, length, signal) => {
      under += 1;
      if (under === 3) started.resolve();
      await release.promise;
      aborted = signal.aborted;
      under -= 1;
      return Buffer.alloc(length);
    },
  };
  await using harness = await serve(disk);
  await using remote = await client(harness.path);
  const reads = [0, 1, 2].map((at) => assert.rejects(remote.read(at, 1), code('nbd.connection-lost')));
  await started.promise;
  const closed = harness.server.close();
  await Promise.all(reads);
  assert.equal(under, 3);
  release.resolve();
  await closed;
  assert.equal(under, 0);
  assert.equal(aborted, true);
  assert.deepEqual(harness.errors, []);
});

test('more connections than allowed are closed at once', async () => {
  await using harness = await serve(new MemoryExport(512), { maxConnections: 1 });
  await using first = await client(harness.path);
  await assert.rejects(client(harness.path), code('nbd.connection-lost'));
  await first.read(0, 512);
});

/** Sends bytes as a client that keeps to nothing, and waits for the server to end it, or ends itself. */
async function hostileClient(path: string, bytes: Uint8Array, stay: boolean): Promise<void> {
  const socket: Socket = connect(path);
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on('error', () => undefined); // Expected: the server closes while more is on its way.
  socket.on('close', () => resolve());
  socket.resume();
  socket.write(bytes);
  if (!stay) socket.end();
  await promise;
}

/** The negotiation of a client that is in order, up to the transmission phase. */
const session = Buffer.concat([
  encodeUint32(3),
  encodeOption(OPTION.structuredReply),
  encodeOption(
    OPTION.setMetaContext,
    Buffer.concat([encodeText('data'), encodeUint32(1), encodeText(BASE_ALLOCATION)]),
  ),
  encodeOption(OPTION.go, Buffer.concat([encodeText('data'), encodeUint16(0)])),
]);

function requestOf(type: number, offset: bigint, length: number, flags = 0): Buffer {
  return encodeRequest({ type, flags, cookie: 1n, offset, length });
}

test('a client that breaks the protocol is disconnected, and named', async () => {
  await using harness = await serve(new MemoryExport(65_536));
  const broken = [
    encodeUint32(0),
    encodeUint32(0xff),
    Buffer.concat([encodeUint32(3), Buffer.from('GET / HTTP/1.1\r\n\r\n')]),
    Buffer.concat([encodeUint32(3), encodeOption(OPTION.go).subarray(0, 12), encodeUint32(0x7fffffff)]),
    Buffer.concat([encodeUint32(3), encodeOption(OPTION.exportName, Buffer.from('none'))]),
    Buffer.concat([encodeUint32(3), ...Array.from({ length: 65 }, () => encodeOption(OPTION.list))]),
    Buffer.concat([session, Buffer.alloc(28)]),
    Buffer.concat([session, requestOf(COMMAND.write, 0n, 0x7fffffff)]),
  ];
  for (const bytes of broken) await hostileClient(harness.path, bytes, true);
  assert.equal(harness.errors.length, broken.length);
  assert.ok(harness.errors.every((error) => isCorralError(error, 'nbd.client-broken')));
});

test('whatever a client sends, the server goes on and serves others', async () => {
  const disk = new MemoryExport(65_536);
  await using harness = await serve(disk);
  const pieces = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc
        .tuple(fc.nat(9), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(0xffffffff), fc.nat(31))
        .map(([type, offset, length, flags]) => requestOf(type, offset, length, flags)),
      fc
        .tuple(
          fc.constantFrom(COMMAND.read, COMMAND.blockStatus, COMMAND.flush),
          fc.nat(70_000),
          fc.nat(70_000),
        )
        .map(([type, offset, length]) => requestOf(type, BigInt(offset), length)),
      fc
        .tuple(fc.nat(12), fc.uint8Array({ maxLength: 40 }))
        .map(([option, data]) => encodeOption(option, data)),
    ),
    { maxLength: 6 },
  );
  const property = fc.asyncProperty(pieces, fc.boolean(), async (parts, negotiated) => {
    const start = negotiated ? session : encodeUint32(3);
    await hostileClient(harness.path, Buffer.concat([start, ...parts]), false);
    await using remote = await client(harness.path);
    assert.equal((await remote.read(0, 512)).length, 512);
  });
  await fc.assert(property, { numRuns: 100 });
  const others = harness.errors.filter((error) => !isCorralError(error, 'nbd.client-broken'));
  assert.deepEqual(others, []);
});
