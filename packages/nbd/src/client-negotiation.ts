/** The client's half of the negotiation: from the server's greeting to the transmission phase. */
import { type CorralError, isCorralError } from '@corral/core/errors';
import type { ByteSocket } from './byte-socket.ts';
import { nbdErrors } from './errors.ts';
import {
  encodeOption,
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

const MAX_REPLY_BYTES = 64 * 1024;
const MAX_REPLIES = 10_000;

/** Sizes in bytes that requests must keep to. */
export interface BlockSizes {
  /** Offsets and lengths are multiples of it. */
  readonly minimum: number;
  readonly preferred: number;
  /** The most data in one request. */
  readonly maximum: number;
}

export interface NegotiatedExport {
  readonly size: number;
  /** TRANSMISSION_FLAG */
  readonly flags: number;
  readonly blockSizes: BlockSizes;
  readonly structured: boolean;
  /** The contexts granted of those asked for, and their ids. */
  readonly contexts: ReadonlyMap<string, number>;
}

interface OptionReply {
  readonly type: number;
  readonly data: Buffer;
}

interface ExportInfo {
  size: number | undefined;
  flags: number;
  blockSizes: BlockSizes;
}

export class ClientNegotiation {
  readonly #socket: ByteSocket;
  readonly #peer: string;

  constructor(socket: ByteSocket, peer: string) {
    this.#socket = socket;
    this.#peer = peer;
  }

  /** @throws nbd.protocol */
  async greet(): Promise<void> {
    const greeting = await this.#socket.read(18);
    const fixedNewstyle =
      greeting.readBigUInt64BE(0) === MAGIC.server &&
      greeting.readBigUInt64BE(8) === MAGIC.option &&
      (greeting.readUInt16BE(16) & HANDSHAKE_FLAG.fixedNewstyle) !== 0;
    if (!fixedNewstyle) throw this.#breach('it does not greet with the fixed newstyle negotiation');
    const noZeroes = greeting.readUInt16BE(16) & HANDSHAKE_FLAG.noZeroes;
    this.#socket.write(encodeUint32(HANDSHAKE_FLAG.fixedNewstyle | noZeroes));
  }

  /** @throws nbd.export-missing, nbd.refused, nbd.size-unusable, nbd.protocol */
  async open(name: string, contexts: readonly string[]): Promise<NegotiatedExport> {
    const structured = await this.#structuredReplies();
    const granted =
      structured && contexts.length > 0 ? await this.#setContexts(name, contexts) : new Map<string, number>();
    const info = await this.#go(name);
    if (info.size === undefined) throw this.#breach('it did not tell the size of the export');
    return { size: info.size, flags: info.flags, blockSizes: info.blockSizes, structured, contexts: granted };
  }

  /** @throws nbd.refused, nbd.protocol */
  async list(): Promise<string[]> {
    const names: string[] = [];
    for await (const { type, data } of this.#option(OPTION.list, 'to list its exports', '')) {
      if (type === OPTION_REPLY.server) names.push(this.#text(data));
    }
    this.#socket.write(encodeOption(OPTION.abort));
    return names;
  }

  async #structuredReplies(): Promise<boolean> {
    try {
      for await (const { type } of this.#option(OPTION.structuredReply, 'structured replies', '')) {
        throw this.#breach(`a reply of type ${type} to structured replies`);
      }
      return true;
    } catch (cause) {
      if (isRefusal(cause)) return false;
      throw cause;
    }
  }

  async #setContexts(name: string, contexts: readonly string[]): Promise<Map<string, number>> {
    const request = Buffer.concat([
      encodeText(name),
      encodeUint32(contexts.length),
      ...contexts.map(encodeText),
    ]);
    const granted = new Map<string, number>();
    for await (const { type, data } of this.#option(
      OPTION.setMetaContext,
      'metadata contexts',
      name,
      request,
    )) {
      if (type !== OPTION_REPLY.metaContext || data.length < 5)
        throw this.#breach('a context without its name');
      const context = data.toString('utf8', 4);
      if (!contexts.includes(context)) throw this.#breach('a context that was not asked for');
      granted.set(context, data.readUInt32BE(0));
    }
    if (new Set(granted.values()).size !== granted.size) throw this.#breach('two contexts with the same id');
    return granted;
  }

  async #go(name: string): Promise<ExportInfo> {
    const info: ExportInfo = {
      size: undefined,
      flags: 0,
      blockSizes: { minimum: 1, preferred: 4096, maximum: MAX_PAYLOAD },
    };
    const request = Buffer.concat([encodeText(name), encodeUint16(1), encodeUint16(INFO.blockSize)]);
    for await (const { type, data } of this.#option(OPTION.go, 'the export', name, request)) {
      if (type === OPTION_REPLY.info && data.length >= 2) this.#takeInfo(info, data);
    }
    return info;
  }

  #takeInfo(info: ExportInfo, data: Buffer): void {
    const type = data.readUInt16BE(0);
    if (type === INFO.export) {
      if (data.length !== 12) throw this.#breach('export information of another length');
      const size = data.readBigUInt64BE(2);
      if (size > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw nbdErrors['size-unusable']({ peer: this.#peer, size: size.toString() });
      }
      info.size = Number(size);
      info.flags = data.readUInt16BE(10);
      if ((info.flags & TRANSMISSION_FLAG.hasFlags) === 0) throw this.#breach('flags that say they are none');
    } else if (type === INFO.blockSize) {
      if (data.length !== 14) throw this.#breach('block sizes of another length');
      info.blockSizes = this.#blockSizes(data.readUInt32BE(2), data.readUInt32BE(6), data.readUInt32BE(10));
    }
  }

  /** The protocol's rules: powers of two up to 64 KiB for the minimum; a maximum of 0xFFFFFFFF means none. */
  #blockSizes(minimum: number, preferred: number, maximum: number): BlockSizes {
    const powerOfTwo = minimum > 0 && minimum <= 65_536 && (minimum & (minimum - 1)) === 0;
    if (!powerOfTwo || maximum < minimum || preferred < minimum) throw this.#breach('impossible block sizes');
    const usable = Math.min(maximum, MAX_PAYLOAD);
    return { minimum, preferred, maximum: usable - (usable % minimum) };
  }

  /** Sends an option and yields the replies before its acknowledgement. */
  async *#option(option: number, what: string, name: string, data?: Uint8Array): AsyncGenerator<OptionReply> {
    this.#socket.write(encodeOption(option, data));
    for (let replies = 0; replies < MAX_REPLIES; replies += 1) {
      const reply = await this.#reply(option);
      if (reply.type === OPTION_REPLY.ack) return;
      if (reply.type >= OPTION_REPLY.errorBit) throw this.#refusal(reply, what, name);
      yield reply;
    }
    throw this.#breach('too many replies to one option');
  }

  async #reply(option: number): Promise<OptionReply> {
    const header = await this.#socket.read(20);
    if (header.readBigUInt64BE(0) !== MAGIC.optionReply || header.readUInt32BE(8) !== option) {
      throw this.#breach('what it sent is no reply to the option');
    }
    const length = header.readUInt32BE(16);
    if (length > MAX_REPLY_BYTES) throw this.#breach('an option reply that is too long');
    return { type: header.readUInt32BE(12), data: await this.#socket.read(length) };
  }

  #text(data: Buffer): string {
    const length = data.length >= 4 ? data.readUInt32BE(0) : Number.POSITIVE_INFINITY;
    if (length > data.length - 4) throw this.#breach('a name that is longer than its reply');
    return data.toString('utf8', 4, 4 + length);
  }

  #refusal(reply: OptionReply, what: string, name: string): CorralError {
    const desc = reply.data.toString('utf8').slice(0, 500);
    if (reply.type === OPTION_REPLY.errUnknown) {
      return nbdErrors['export-missing']({ peer: this.#peer, name, desc });
    }
    const reason =
      reply.type === OPTION_REPLY.errTlsRequired
        ? 'it wants TLS, which is not spoken here; serve the export without TLS on a Unix socket'
        : desc || `error ${reply.type - OPTION_REPLY.errorBit}`;
    return nbdErrors.refused({ peer: this.#peer, option: what, desc: reason });
  }

  #breach(reason: string): CorralError {
    return nbdErrors.protocol({ peer: this.#peer, reason });
  }
}

function isRefusal(cause: unknown): boolean {
  return isCorralError(cause, nbdErrors.refused.code);
}
