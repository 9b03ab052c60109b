/** The server's half of the negotiation. The client may be hostile: every option is bounded and parsed with care. */
import type { CorralError } from '@corral/core/errors';
import type { ByteSocket } from './byte-socket.ts';
import { nbdErrors } from './errors.ts';
import type { NbdExport } from './nbd-export.ts';
import {
  BASE_ALLOCATION,
  encodeOptionReply,
  encodeText,
  encodeUint16,
  encodeUint32,
  HANDSHAKE_FLAG,
  INFO,
  MAGIC,
  MAX_PAYLOAD,
  OPTION,
  OPTION_REPLY,
  TRANSMISSION_FLAG,
} from './protocol.ts';

const MAX_OPTION_BYTES = 8192;
const MAX_OPTIONS = 64;
const PREFERRED_BLOCK_SIZE = 4096;

/** The id of `base:allocation`, the only context. */
export const CONTEXT_ID = 1;

export interface ServedExport {
  readonly name: string;
  readonly disk: NbdExport;
  readonly structured: boolean;
  readonly allocation: boolean;
}

interface OptionFields {
  readonly name: string;
  /** Of SET_ and LIST_META_CONTEXT. */
  readonly queries: readonly string[];
}

export class ServerNegotiation {
  readonly #socket: ByteSocket;
  readonly #path: string;
  readonly #exports: ReadonlyMap<string, NbdExport>;
  #noZeroes = false;
  #structured = false;
  /** The export for which `base:allocation` was chosen. */
  #allocationOf: string | undefined;

  constructor(socket: ByteSocket, path: string, exports: ReadonlyMap<string, NbdExport>) {
    this.#socket = socket;
    this.#path = path;
    this.#exports = exports;
  }

  /** Undefined if the client wanted nothing more. @throws nbd.client-broken, nbd.client-gone */
  async run(): Promise<ServedExport | undefined> {
    const greeting = Buffer.alloc(18);
    greeting.writeBigUInt64BE(MAGIC.server, 0);
    greeting.writeBigUInt64BE(MAGIC.option, 8);
    greeting.writeUInt16BE(HANDSHAKE_FLAG.fixedNewstyle | HANDSHAKE_FLAG.noZeroes, 16);
    this.#socket.write(greeting);
    const flags = (await this.#socket.read(4)).readUInt32BE(0);
    const known = HANDSHAKE_FLAG.fixedNewstyle | HANDSHAKE_FLAG.noZeroes;
    if ((flags & ~known) !== 0 || (flags & HANDSHAKE_FLAG.fixedNewstyle) === 0) {
      throw this.#breach('handshake flags that are not known');
    }
    this.#noZeroes = (flags & HANDSHAKE_FLAG.noZeroes) !== 0;
    for (let options = 0; options < MAX_OPTIONS; options += 1) {
      const end = await this.#option();
      if (end) return end.served;
    }
    throw this.#breach('too many options');
  }

  /** Takes one option. Returns something when the negotiation has ended. */
  async #option(): Promise<{ readonly served: ServedExport | undefined } | undefined> {
    const header = await this.#socket.read(16);
    if (header.readBigUInt64BE(0) !== MAGIC.option) throw this.#breach('what it sent is no option');
    const option = header.readUInt32BE(8);
    const length = header.readUInt32BE(12);
    if (length > MAX_OPTION_BYTES) throw this.#breach('an option that is too long');
    const data = await this.#socket.read(length);
    switch (option) {
      case OPTION.exportName:
        return { served: this.#exportName(data.toString('utf8')) };
      case OPTION.go:
        return this.#info(option, data);
      case OPTION.info:
        this.#info(option, data);
        return undefined;
      case OPTION.abort:
        this.#reply(option, OPTION_REPLY.ack);
        return { served: undefined };
      case OPTION.list:
        this.#list(option);
        return undefined;
      case OPTION.structuredReply:
        this.#structured = true;
        this.#reply(option, OPTION_REPLY.ack);
        return undefined;
      case OPTION.listMetaContext:
      case OPTION.setMetaContext:
        this.#metaContexts(option, data);
        return undefined;
      default:
        this.#reply(option, OPTION_REPLY.errUnsupported);
        return undefined;
    }
  }

  /** The old way in, which cannot tell an error but by closing. */
  #exportName(name: string): ServedExport {
    const disk = this.#exports.get(name);
    if (!disk) throw this.#breach(`it wants the export ${JSON.stringify(name)}, which is not there`);
    this.#socket.write(sizeAndFlags(disk), Buffer.alloc(this.#noZeroes ? 0 : 124));
    return this.#served(name, disk);
  }

  #info(option: number, data: Buffer): { readonly served: ServedExport } | undefined {
    const name = parseInfoName(data);
    const disk = name === undefined ? undefined : this.#exports.get(name);
    if (name === undefined || !disk) {
      this.#reply(option, name === undefined ? OPTION_REPLY.errInvalid : OPTION_REPLY.errUnknown);
      return undefined;
    }
    const sizes = encodeUint32(1, disk.preferredBlockSize ?? PREFERRED_BLOCK_SIZE, MAX_PAYLOAD);
    this.#reply(option, OPTION_REPLY.info, encodeUint16(INFO.export), sizeAndFlags(disk));
    this.#reply(option, OPTION_REPLY.info, encodeUint16(INFO.blockSize), sizes);
    this.#reply(option, OPTION_REPLY.ack);
    return { served: this.#served(name, disk) };
  }

  #list(option: number): void {
    for (const name of this.#exports.keys()) this.#reply(option, OPTION_REPLY.server, encodeText(name));
    this.#reply(option, OPTION_REPLY.ack);
  }

  #metaContexts(option: number, data: Buffer): void {
    const fields = parseContextFields(data);
    if (!fields || !this.#structured) {
      this.#reply(option, OPTION_REPLY.errInvalid);
      return;
    }
    const disk = this.#exports.get(fields.name);
    if (!disk) {
      this.#reply(option, OPTION_REPLY.errUnknown);
      return;
    }
    const listing = option === OPTION.listMetaContext;
    const wanted = listing
      ? fields.queries.length === 0 ||
        fields.queries.some((query) => query === 'base:' || query === BASE_ALLOCATION)
      : fields.queries.includes(BASE_ALLOCATION);
    const granted = wanted && disk.extents !== undefined;
    if (!listing) this.#allocationOf = granted ? fields.name : undefined;
    if (granted) {
      const id = encodeUint32(listing ? 0 : CONTEXT_ID);
      this.#reply(option, OPTION_REPLY.metaContext, id, Buffer.from(BASE_ALLOCATION));
    }
    this.#reply(option, OPTION_REPLY.ack);
  }

  #served(name: string, disk: NbdExport): ServedExport {
    return { name, disk, structured: this.#structured, allocation: this.#allocationOf === name };
  }

  #reply(option: number, type: number, ...data: readonly Buffer[]): void {
    this.#socket.write(encodeOptionReply(option, type, Buffer.concat(data)));
  }

  #breach(reason: string): CorralError {
    return nbdErrors['client-broken']({ path: this.#path, reason });
  }
}

function sizeAndFlags(disk: NbdExport): Buffer {
  const bytes = Buffer.alloc(10);
  bytes.writeBigUInt64BE(BigInt(disk.size), 0);
  bytes.writeUInt16BE(transmissionFlags(disk), 8);
  return bytes;
}

function transmissionFlags(disk: NbdExport): number {
  const readOnly = disk.write === undefined;
  const flags: readonly (readonly [boolean, number])[] = [
    [true, TRANSMISSION_FLAG.hasFlags | TRANSMISSION_FLAG.sendDf],
    [readOnly, TRANSMISSION_FLAG.readOnly],
    [disk.flush !== undefined, TRANSMISSION_FLAG.sendFlush | TRANSMISSION_FLAG.sendFua],
    [!readOnly && disk.trim !== undefined, TRANSMISSION_FLAG.sendTrim],
    [!readOnly && disk.zero !== undefined, TRANSMISSION_FLAG.sendWriteZeroes],
    [readOnly || disk.multiConnection === true, TRANSMISSION_FLAG.canMultiConn],
  ];
  return flags.reduce((all, [set, flag]) => (set ? all | flag : all), 0);
}

/** Name and list of information of INFO and GO; what is asked for beyond the export itself is sent anyway. */
function parseInfoName(data: Buffer): string | undefined {
  const name = parseText(data, 0);
  if (!name || data.length < name.end + 2) return undefined;
  return data.length === name.end + 2 + 2 * data.readUInt16BE(name.end) ? name.text : undefined;
}

function parseContextFields(data: Buffer): OptionFields | undefined {
  const name = parseText(data, 0);
  if (!name || data.length < name.end + 4) return undefined;
  const count = data.readUInt32BE(name.end);
  const queries: string[] = [];
  let at = name.end + 4;
  for (let index = 0; index < count; index += 1) {
    const query = parseText(data, at);
    if (!query) return undefined;
    queries.push(query.text);
    at = query.end;
  }
  return at === data.length ? { name: name.text, queries } : undefined;
}

function parseText(data: Buffer, at: number): { readonly text: string; readonly end: number } | undefined {
  if (data.length < at + 4) return undefined;
  const end = at + 4 + data.readUInt32BE(at);
  return end <= data.length ? { text: data.toString('utf8', at + 4, end), end } : undefined;
}
