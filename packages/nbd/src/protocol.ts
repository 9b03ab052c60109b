/**
 * Numbers and layouts of the NBD protocol, all big-endian
 * (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md). The part that is spoken: docs/formats/nbd.md.
 */

export const MAGIC = {
  /** `NBDMAGIC`, `IHAVEOPT` */
  server: 0x4e42444d41474943n,
  option: 0x49484156454f5054n,
  optionReply: 0x0003e889045565a9n,
  request: 0x25609513,
  simpleReply: 0x67446698,
  structuredReply: 0x668e33ef,
} as const;

export const HANDSHAKE_FLAG = { fixedNewstyle: 1, noZeroes: 2 } as const;

export const OPTION = {
  exportName: 1,
  abort: 2,
  list: 3,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

export const OPTION_REPLY = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  errorBit: 0x80000000,
  errUnsupported: 0x80000001,
  errPolicy: 0x80000002,
  errInvalid: 0x80000003,
  errTlsRequired: 0x80000005,
  errUnknown: 0x80000006,
  errBlockSizeRequired: 0x80000008,
  errTooBig: 0x80000009,
} as const;

export const INFO = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

export const TRANSMISSION_FLAG = {
  hasFlags: 1,
  readOnly: 2,
  sendFlush: 4,
  sendFua: 8,
  sendTrim: 32,
  sendWriteZeroes: 64,
  sendDf: 128,
  canMultiConn: 256,
  sendFastZero: 2048,
} as const;

export const COMMAND = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  writeZeroes: 6,
  blockStatus: 7,
} as const;

export const COMMAND_FLAG = { fua: 1, noHole: 2, df: 4, reqOne: 8, fastZero: 16 } as const;

export const CHUNK_FLAG = { done: 1 } as const;

export const CHUNK = {
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  errorBit: 0x8000,
  error: 0x8001,
  errorOffset: 0x8002,
} as const;

export const REQUEST_BYTES = 28;

/** Data of one request, unless the server announces less. */
export const MAX_PAYLOAD = 32 * 2 ** 20;

export const BASE_ALLOCATION = 'base:allocation';

/** Flags of `base:allocation`. */
export const ALLOCATION_FLAG = { hole: 1, zero: 2 } as const;

/** The errors NBD knows, by number; they are Linux's. */
const ERRNO: ReadonlyMap<number, string> = new Map([
  [1, 'EPERM'],
  [5, 'EIO'],
  [12, 'ENOMEM'],
  [22, 'EINVAL'],
  [28, 'ENOSPC'],
  [75, 'EOVERFLOW'],
  [95, 'ENOTSUP'],
  [108, 'ESHUTDOWN'],
]);

export function errnoName(number: number): string {
  return ERRNO.get(number) ?? `error ${number}`;
}

/** The number for an error's name; EIO for what NBD does not know. */
export function errnoNumber(name: string | undefined): number {
  for (const [number, known] of ERRNO) if (known === name) return number;
  return 5;
}

export interface NbdRequest {
  readonly type: number;
  readonly flags: number;
  /** Chosen by the client, told back by the server. */
  readonly cookie: bigint;
  readonly offset: bigint;
  readonly length: number;
}

export function encodeRequest(request: NbdRequest): Buffer {
  const header = Buffer.allocUnsafe(REQUEST_BYTES);
  header.writeUInt32BE(MAGIC.request, 0);
  header.writeUInt16BE(request.flags, 4);
  header.writeUInt16BE(request.type, 6);
  header.writeBigUInt64BE(request.cookie, 8);
  header.writeBigUInt64BE(request.offset, 16);
  header.writeUInt32BE(request.length, 24);
  return header;
}

/** Undefined if the magic is wrong. */
export function decodeRequest(header: Buffer): NbdRequest | undefined {
  if (header.readUInt32BE(0) !== MAGIC.request) return undefined;
  return {
    flags: header.readUInt16BE(4),
    type: header.readUInt16BE(6),
    cookie: header.readBigUInt64BE(8),
    offset: header.readBigUInt64BE(16),
    length: header.readUInt32BE(24),
  };
}

/** An option as the client sends it. */
export function encodeOption(option: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(16);
  header.writeBigUInt64BE(MAGIC.option, 0);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}

/** A server's answer to an option; several may come before the one that ends them. */
export function encodeOptionReply(option: number, type: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(20);
  header.writeBigUInt64BE(MAGIC.optionReply, 0);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(type, 12);
  header.writeUInt32BE(data.length, 16);
  return Buffer.concat([header, data]);
}

/** Text with its length in 4 bytes before it. */
export function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([encodeUint32(bytes.length), bytes]);
}

export function encodeUint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
}

export function encodeUint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

/** A chunk of a structured reply without its payload. */
export function encodeChunk(cookie: bigint, type: number, length: number, done: boolean): Buffer {
  const header = Buffer.allocUnsafe(20);
  header.writeUInt32BE(MAGIC.structuredReply, 0);
  header.writeUInt16BE(done ? CHUNK_FLAG.done : 0, 4);
  header.writeUInt16BE(type, 6);
  header.writeBigUInt64BE(cookie, 8);
  header.writeUInt32BE(length, 16);
  return header;
}

export function encodeSimpleReply(cookie: bigint, errno: number): Buffer {
  const header = Buffer.allocUnsafe(16);
  header.writeUInt32BE(MAGIC.simpleReply, 0);
  header.writeUInt32BE(errno, 4);
  header.writeBigUInt64BE(cookie, 8);
  return header;
}
