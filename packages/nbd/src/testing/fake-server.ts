/** For tests: an NBD server that negotiates well and then does what the test says. */
import { createServer, type Socket } from 'node:net';
import { ByteSocket } from '../byte-socket.ts';
import { nbdErrors } from '../errors.ts';
import {
  decodeRequest,
  encodeOptionReply,
  encodeUint16,
  encodeUint32,
  INFO,
  MAGIC,
  type NbdRequest,
  OPTION,
  OPTION_REPLY,
  REQUEST_BYTES,
} from '../protocol.ts';
import { socketDirectory } from './socket-directory.ts';

export interface FakeServerOptions {
  readonly structured?: boolean;
  readonly size?: number;
  readonly flags?: number;
  readonly contexts?: Readonly<Record<string, number>>;
  readonly blockSizes?: readonly [number, number, number];
  /** Sent instead of the negotiation. */
  readonly greeting?: Buffer;
  /** Replies to options, by number, instead of the good ones. */
  readonly optionReplies?: Readonly<Record<number, Buffer>>;
  /** Bytes for a request; undefined sends nothing. */
  readonly reply?: (request: NbdRequest) => Buffer | undefined;
}

export interface FakeServer extends AsyncDisposable {
  readonly path: string;
  readonly requests: NbdRequest[];
  /** Sends to the client that connected last. */
  send(bytes: Buffer): void;
  disconnect(): void;
}

const FLAGS = 1 | 4 | 8 | 32 | 64;

export async function startFakeServer(options: FakeServerOptions = {}): Promise<FakeServer> {
  const directory = await socketDirectory();
  const sockets = new Set<Socket>();
  const requests: NbdRequest[] = [];
  let last: Socket | undefined;
  const server = createServer((socket) => {
    last = socket;
    sockets.add(socket);
    const bytes = ByteSocket.accepted(socket, {
      lost: () => nbdErrors['client-gone']({ path: directory.path }),
      onClose: () => sockets.delete(socket),
    });
    serve(bytes, options, requests).catch(() => socket.destroy()); // Expected: the client went away.
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(directory.path, resolve);
  await promise;
  return {
    path: directory.path,
    requests,
    send: (bytes) => last?.write(bytes),
    disconnect: () => last?.destroy(),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
      await directory[Symbol.asyncDispose]();
    },
  };
}

async function serve(bytes: ByteSocket, options: FakeServerOptions, requests: NbdRequest[]): Promise<void> {
  if (options.greeting) {
    bytes.write(options.greeting);
    await bytes.read(2 ** 20);
  }
  const greeting = Buffer.alloc(18);
  greeting.writeBigUInt64BE(MAGIC.server, 0);
  greeting.writeBigUInt64BE(MAGIC.option, 8);
  greeting.writeUInt16BE(3, 16);
  bytes.write(greeting);
  await bytes.read(4);
  for (let option = 0; option !== OPTION.go; ) {
    const header = await bytes.read(16);
    option = header.readUInt32BE(8);
    await bytes.read(header.readUInt32BE(12));
    bytes.write(options.optionReplies?.[option] ?? optionReply(option, options));
  }
  for (;;) {
    const request = decodeRequest(await bytes.read(REQUEST_BYTES));
    if (!request) return;
    if (request.type === 1) await bytes.read(request.length);
    requests.push(request);
    const reply = options.reply?.(request);
    if (reply) bytes.write(reply);
  }
}

function optionReply(option: number, options: FakeServerOptions): Buffer {
  const ack = encodeOptionReply(option, OPTION_REPLY.ack);
  if (option === OPTION.structuredReply) {
    return options.structured === false ? encodeOptionReply(option, OPTION_REPLY.errUnsupported) : ack;
  }
  if (option === OPTION.setMetaContext) {
    const contexts = Object.entries(options.contexts ?? {}).map(([name, id]) =>
      encodeOptionReply(
        option,
        OPTION_REPLY.metaContext,
        Buffer.concat([encodeUint32(id), Buffer.from(name)]),
      ),
    );
    return Buffer.concat([...contexts, ack]);
  }
  if (option !== OPTION.go) return encodeOptionReply(option, OPTION_REPLY.errUnsupported);
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(options.size ?? 65_536));
  const info = Buffer.concat([encodeUint16(INFO.export), size, encodeUint16(options.flags ?? FLAGS)]);
  const sizes = options.blockSizes
    ? [
        encodeOptionReply(
          option,
          OPTION_REPLY.info,
          Buffer.concat([encodeUint16(INFO.blockSize), encodeUint32(...options.blockSizes)]),
        ),
      ]
    : [];
  return Buffer.concat([encodeOptionReply(option, OPTION_REPLY.info, info), ...sizes, ack]);
}
