/** What a guest is asked through its agent. Every call is bounded in time; a guest that answers nonsense gets errors. */
import type { GuestExec, GuestExecResult, GuestInfo, KeyValue } from '@corral/api/schemas/guest';
import { defineErrors, error, isCorralError } from '@corral/core/errors';
import type { AgentInterface } from '@corral/qmp/agent-shapes';
import type { GuestAgent } from '@corral/qmp/guest-agent';
import { requireLegal, type VmHost } from '../vm/vm-host.ts';

export const guestErrors = defineErrors('guest', {
  'key-not-found': error<{ vm: string; key: string }>(
    404,
    'No such key',
    (p) => `The guest of VM "${p.vm}" has no key "${p.key}" that the host wrote.`,
  ),
  'file-too-large': error<{ path: string; maxBytes: number }>(
    413,
    'The file is too large',
    (p) => `The content for ${p.path} is over ${p.maxBytes} bytes. Copy it in over the network or on a disk.`,
  ),
});

/**
 * Key-value pairs are files in the guest, one per key: the host writes below `host`, the guest below `guest`
 * (docs/howto/key-values.md). Hyper-V's pools "external" and "guest" of its data exchange are the same two.
 */
const keyValueFolder = '/var/lib/corral/kv';
const maxValueBytes = 2048;
const maxFileBytes = 64 * 2 ** 20;

export class GuestService {
  readonly #host: VmHost;

  constructor(host: VmHost) {
    this.#host = host;
  }

  async info(vm: string, signal: AbortSignal): Promise<GuestInfo> {
    const agent = await this.#agent(vm);
    const options = { signal };
    const { version, supported_commands: commands } = await agent.info(options);
    const os = await optional(agent.osInfo(options));
    const askedAt = Date.now();
    const time = await optional(agent.time(options));
    return {
      agentVersion: version,
      hostname: (await optional(agent.hostName(options))) ?? null,
      osName: os?.['pretty-name'] ?? os?.name ?? null,
      osVersion: os?.['version-id'] ?? null,
      kernel: os?.['kernel-release'] ?? null,
      addresses: addressesOf((await optional(agent.interfaces(options))) ?? []),
      clockOffsetMs: time === undefined ? null : Math.round(time - (askedAt + Date.now()) / 2),
      commands: commands.filter(({ enabled }) => enabled).map(({ name }) => name),
    };
  }

  async exec(vm: string, request: GuestExec, signal: AbortSignal): Promise<GuestExecResult> {
    const agent = await this.#agent(vm);
    const [path, ...args] = request.command;
    const result = await agent.exec(
      {
        path: path!,
        args,
        ...(request.env ? { env: request.env } : {}),
        ...(request.stdin === undefined ? {} : { input: Buffer.from(request.stdin, 'base64') }),
      },
      { signal, limitMs: request.limitMs },
    );
    const encoding = request.encoding === 'base64' ? 'base64' : 'utf8';
    return {
      exitCode: result.exitCode ?? null,
      signal: result.signal ?? null,
      encoding: request.encoding,
      stdout: result.stdout.toString(encoding),
      stderr: result.stderr.toString(encoding),
      truncated: result.stdoutTruncated || result.stderrTruncated,
    };
  }

  async readFile(vm: string, path: string, maxBytes: number, signal: AbortSignal) {
    const agent = await this.#agent(vm);
    const content = await agent.readFile(path, { maxBytes, signal });
    return { sizeBytes: content.length, content: onePiece(content) };
  }

  async writeFile(
    vm: string,
    path: string,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<number> {
    const agent = await this.#agent(vm);
    let sizeBytes = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const piece of content) {
        sizeBytes += piece.length;
        if (sizeBytes > maxFileBytes) throw guestErrors['file-too-large']({ path, maxBytes: maxFileBytes });
        yield piece;
      }
    }
    await agent.writeFile(path, counted(), { signal });
    return sizeBytes;
  }

  async listKeyValues(vm: string, signal: AbortSignal): Promise<KeyValue[]> {
    const agent = await this.#agent(vm);
    const pairs: KeyValue[] = [];
    for (const source of ['host', 'guest'] as const) {
      const folder = `${keyValueFolder}/${source}`;
      const { stdout } = await agent.exec({ path: 'ls', args: ['-1', folder] }, { signal });
      for (const key of stdout.toString('utf8').split('\n').filter(isKey)) {
        const value = await agent.readFile(`${folder}/${key}`, { maxBytes: maxValueBytes, signal });
        pairs.push({ key, value: value.toString('utf8'), source });
      }
    }
    return pairs;
  }

  async putKeyValue(vm: string, key: string, value: string, signal: AbortSignal): Promise<KeyValue> {
    const agent = await this.#agent(vm);
    const folder = `${keyValueFolder}/host`;
    await agent.exec({ path: 'mkdir', args: ['-p', folder, `${keyValueFolder}/guest`] }, { signal });
    await agent.writeFile(`${folder}/${key}`, Buffer.from(value), { signal });
    return { key, value, source: 'host' };
  }

  async deleteKeyValue(vm: string, key: string, signal: AbortSignal): Promise<void> {
    const agent = await this.#agent(vm);
    const { exitCode } = await agent.exec(
      { path: 'rm', args: [`${keyValueFolder}/host/${key}`] },
      { signal },
    );
    if (exitCode !== 0) throw guestErrors['key-not-found']({ vm, key });
  }

  async #agent(vm: string): Promise<GuestAgent> {
    const record = await this.#host.records.get(vm);
    requireLegal(this.#host, record, 'guest-call');
    return this.#host.agents.of(record.settings);
  }
}

const isKey = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/.test(name);

async function* onePiece(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}

/** What an older agent, or one that forbids it, does not tell is not known; that is no failure of the rest. */
async function optional<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (cause) {
    const known = ['agent.command-missing', 'agent.command-disabled', 'agent.command-failed'];
    if (known.some((code) => isCorralError(cause, code))) return undefined;
    throw cause;
  }
}

function addressesOf(interfaces: readonly AgentInterface[]): GuestInfo['addresses'] {
  return interfaces.flatMap((found) =>
    (found['ip-addresses'] ?? []).map((address) => ({
      interface: found.name,
      mac: found['hardware-address']?.toLowerCase() ?? null,
      address: address['ip-address'],
      prefix: address.prefix,
      family: address['ip-address-type'],
    })),
  );
}
