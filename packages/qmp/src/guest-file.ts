/** Reads and writes files of the guest in parts, by the agent's handles. */
import type { AgentCallOptions, AgentChannel } from './agent-channel.ts';
import { fileReadShape, fileWriteShape, integerShape, nothingShape } from './agent-shapes.ts';
import { agentErrors } from './errors.ts';

/** Large enough that the round trip does not matter, small enough that other calls get their turn. */
const PART_BYTES = 256 * 1024;
const FILE_BYTES = 16 * 2 ** 20;
/** For closing a handle, also after the caller's own limit has passed. */
const CLOSE_LIMIT_MS = 5000;

/** The modes of `fopen`. */
export type GuestFileMode = 'r' | 'r+' | 'w' | 'w+' | 'a' | 'a+';

export interface GuestReadOptions extends AgentCallOptions {
  /** 16 MiB unless told; a longer file is agent.file-too-large. */
  readonly maxBytes?: number;
}

export class GuestFile implements AsyncDisposable {
  readonly #channel: AgentChannel;
  readonly #handle: number;
  #open = true;

  private constructor(channel: AgentChannel, handle: number) {
    this.#channel = channel;
    this.#handle = handle;
  }

  /** @throws agent.command-failed when the guest refuses; as `AgentChannel.call`. */
  static async open(
    channel: AgentChannel,
    path: string,
    mode: GuestFileMode,
    options: AgentCallOptions = {},
  ): Promise<GuestFile> {
    // The agent opens without waiting, so that a FIFO does not block it (QEMU's qga/commands-posix.c).
    const handle = await channel.call('guest-file-open', { path, mode }, integerShape, options);
    return new GuestFile(channel, handle);
  }

  /** The next part, at most 256 KiB; undefined at the end. */
  async read(options: AgentCallOptions = {}): Promise<Buffer | undefined> {
    const args = { handle: this.#handle, count: PART_BYTES };
    const part = await this.#channel.call('guest-file-read', args, fileReadShape, options);
    const data = part['buf-b64'];
    if (data.length !== part.count || data.length > PART_BYTES || (data.length === 0 && !part.eof)) {
      throw this.#garbage('guest-file-read', `${data.length} bytes called ${part.count}`);
    }
    return data.length === 0 ? undefined : data;
  }

  /** Writes all of `data`. The agent buffers; `flush` or `close` hands it to the guest's system. */
  async write(data: Uint8Array, options: AgentCallOptions = {}): Promise<void> {
    for (let offset = 0; offset < data.length; ) {
      const part = Buffer.from(data.subarray(offset, offset + PART_BYTES));
      const args = { handle: this.#handle, 'buf-b64': part.toString('base64') };
      const { count } = await this.#channel.call('guest-file-write', args, fileWriteShape, options);
      if (count === 0 || count > part.length)
        throw this.#garbage('guest-file-write', `${count} bytes written`);
      offset += count;
    }
  }

  async flush(options: AgentCallOptions = {}): Promise<void> {
    await this.#channel.call('guest-file-flush', { handle: this.#handle }, nothingShape, options);
  }

  /** Idempotent. */
  async close(options: AgentCallOptions = {}): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#channel.call('guest-file-close', { handle: this.#handle }, nothingShape, options);
  }

  /** Closes after an error, whose message must not be hidden by a second one. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close({ limitMs: CLOSE_LIMIT_MS }).catch(() => {
      // Expected: the agent that failed before fails again. Its handles end with it.
    });
  }

  #garbage(command: string, reason: string): Error {
    return agentErrors.garbage({ guest: this.#channel.guest, command, reason });
  }
}

/** @throws agent.file-too-large; as `AgentChannel.call`. Each call to the agent has the whole limit. */
export async function readGuestFile(
  channel: AgentChannel,
  path: string,
  options: GuestReadOptions = {},
): Promise<Buffer> {
  const limitBytes = options.maxBytes ?? FILE_BYTES;
  await using file = await GuestFile.open(channel, path, 'r', options);
  const parts: Buffer[] = [];
  let bytes = 0;
  for (let part = await file.read(options); part; part = await file.read(options)) {
    bytes += part.length;
    if (bytes > limitBytes) throw agentErrors['file-too-large']({ guest: channel.guest, path, limitBytes });
    parts.push(part);
  }
  await file.close(options);
  return Buffer.concat(parts);
}

/** Replaces or makes the file; on an error it is left as far as it was written. */
export async function writeGuestFile(
  channel: AgentChannel,
  path: string,
  data: Uint8Array | AsyncIterable<Uint8Array>,
  options: AgentCallOptions & { readonly append?: boolean } = {},
): Promise<void> {
  await using file = await GuestFile.open(channel, path, options.append ? 'a' : 'w', options);
  if (data instanceof Uint8Array) await file.write(data, options);
  else for await (const part of data) await file.write(part, options);
  await file.flush(options);
  await file.close(options);
}
