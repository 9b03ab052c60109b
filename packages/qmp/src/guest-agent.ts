/** What a guest can be asked through its agent. Each call is bounded in time; how, says `AgentChannel`. */
import { type AgentCallOptions, AgentChannel, type AgentChannelOptions } from './agent-channel.ts';
import {
  type AgentFileSystem,
  type AgentInfo,
  type AgentInterface,
  type AgentOsInfo,
  type AgentTimezone,
  type AgentTrim,
  type AgentUser,
  type AgentVcpu,
  type FreezeStatus,
  freezeStatusShape,
  fsInfoShape,
  hostNameShape,
  infoShape,
  integerShape,
  interfacesShape,
  nothingShape,
  osInfoShape,
  sshKeysShape,
  timeShape,
  timezoneShape,
  trimShape,
  usersShape,
  vcpusShape,
} from './agent-shapes.ts';
import { agentErrors } from './errors.ts';
import { execInGuest, type GuestProgram, type GuestProgramResult } from './guest-exec.ts';
import {
  GuestFile,
  type GuestFileMode,
  type GuestReadOptions,
  readGuestFile,
  writeGuestFile,
} from './guest-file.ts';

/** A guest that goes down stops answering; how long its refusal is waited for. */
const SILENCE_MS = 3000;
/** Freezing waits for the guest's own hooks and for its disks. */
const FREEZE_LIMIT_MS = 10_000;
const TRIM_LIMIT_MS = 300_000;
const NS_PER_MS = 1e6;

export class GuestAgent implements AsyncDisposable {
  readonly #channel: AgentChannel;

  constructor(options: AgentChannelOptions) {
    this.#channel = new AgentChannel(options);
  }

  /** Keeps the channel connected between calls until disposed, such as from freeze to thaw. */
  hold(): Disposable {
    return this.#channel.hold();
  }

  /** Gives the channel free and refuses further calls. */
  close(): Promise<void> {
    return this.#channel.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async ping(options?: AgentCallOptions): Promise<void> {
    await this.#channel.call('guest-ping', undefined, nothingShape, options);
  }

  /** The agent's version and its commands, enabled or not. */
  info(options?: AgentCallOptions): Promise<AgentInfo> {
    return this.#channel.call('guest-info', undefined, infoShape, options);
  }

  osInfo(options?: AgentCallOptions): Promise<AgentOsInfo> {
    return this.#channel.call('guest-get-osinfo', undefined, osInfoShape, options);
  }

  async hostName(options?: AgentCallOptions): Promise<string> {
    const answer = await this.#channel.call('guest-get-host-name', undefined, hostNameShape, options);
    return answer['host-name'];
  }

  timezone(options?: AgentCallOptions): Promise<AgentTimezone> {
    return this.#channel.call('guest-get-timezone', undefined, timezoneShape, options);
  }

  interfaces(options?: AgentCallOptions): Promise<readonly AgentInterface[]> {
    return this.#channel.call('guest-network-get-interfaces', undefined, interfacesShape, options);
  }

  users(options?: AgentCallOptions): Promise<readonly AgentUser[]> {
    return this.#channel.call('guest-get-users', undefined, usersShape, options);
  }

  fileSystems(options?: AgentCallOptions): Promise<readonly AgentFileSystem[]> {
    return this.#channel.call('guest-get-fsinfo', undefined, fsInfoShape, options);
  }

  /** Milliseconds since 1970 by the guest's clock. */
  async time(options?: AgentCallOptions): Promise<number> {
    return (await this.#channel.call('guest-get-time', undefined, timeShape, options)) / NS_PER_MS;
  }

  /** Sets the guest's clock, or without a time has the guest read its hardware clock. */
  async setTime(timeMs?: number, options?: AgentCallOptions): Promise<void> {
    const args = timeMs === undefined ? undefined : { time: Math.round(timeMs) * NS_PER_MS };
    await this.#channel.call('guest-set-time', args, nothingShape, options);
  }

  /** Runs a program to its end, 60 s unless told. @throws agent.exec-unfinished */
  exec(program: GuestProgram, options?: AgentCallOptions): Promise<GuestProgramResult> {
    return execInGuest(this.#channel, program, options);
  }

  openFile(path: string, mode: GuestFileMode, options?: AgentCallOptions): Promise<GuestFile> {
    return GuestFile.open(this.#channel, path, mode, options);
  }

  /** @throws agent.file-too-large */
  readFile(path: string, options?: GuestReadOptions): Promise<Buffer> {
    return readGuestFile(this.#channel, path, options);
  }

  writeFile(
    path: string,
    data: Uint8Array | AsyncIterable<Uint8Array>,
    options?: AgentCallOptions & { readonly append?: boolean },
  ): Promise<void> {
    return writeGuestFile(this.#channel, path, data, options);
  }

  /**
   * Freezes all file systems, or those at `mountpoints`. Whoever freezes must `hold` the channel until the thaw.
   * After an error some may be frozen: thaw.
   *
   * @returns how many file systems were frozen.
   */
  freeze(options: AgentCallOptions & { readonly mountpoints?: readonly string[] } = {}): Promise<number> {
    const { mountpoints, limitMs = FREEZE_LIMIT_MS, signal } = options;
    const command = mountpoints ? 'guest-fsfreeze-freeze-list' : 'guest-fsfreeze-freeze';
    const args = mountpoints ? { mountpoints } : undefined;
    return this.#channel.call(command, args, integerShape, { limitMs, signal });
  }

  /** @returns how many file systems were thawed; 0 if none was frozen. */
  thaw(options?: AgentCallOptions): Promise<number> {
    return this.#channel.call('guest-fsfreeze-thaw', undefined, integerShape, options);
  }

  freezeStatus(options?: AgentCallOptions): Promise<FreezeStatus> {
    return this.#channel.call('guest-fsfreeze-status', undefined, freezeStatusShape, options);
  }

  /** Gives unused blocks back. Each file system reports the bytes it gave back, or its error. */
  async trim(
    options: AgentCallOptions & { readonly minimumBytes?: number } = {},
  ): Promise<readonly AgentTrim[]> {
    const { minimumBytes, limitMs = TRIM_LIMIT_MS, signal } = options;
    const args = minimumBytes === undefined ? undefined : { minimum: minimumBytes };
    return (await this.#channel.call('guest-fstrim', args, trimShape, { limitMs, signal })).paths;
  }

  /** Asks the guest to go down; resolves when it agreed. That it is down, says the monitor. */
  async shutdown(
    mode: 'powerdown' | 'reboot' | 'halt' = 'powerdown',
    options?: AgentCallOptions,
  ): Promise<void> {
    await this.#channel.callSilent('guest-shutdown', { mode }, { ...options, silenceMs: SILENCE_MS });
  }

  /** Asks the guest to sleep; resolves when it agreed. */
  async suspend(target: 'disk' | 'ram' | 'hybrid', options?: AgentCallOptions): Promise<void> {
    await this.#channel.callSilent(`guest-suspend-${target}`, undefined, {
      ...options,
      silenceMs: SILENCE_MS,
    });
  }

  vcpus(options?: AgentCallOptions): Promise<readonly AgentVcpu[]> {
    return this.#channel.call('guest-get-vcpus', undefined, vcpusShape, options);
  }

  /** Brings processors on-line or off-line, in order. On an error the earlier ones are changed. */
  async setVcpus(
    vcpus: readonly { readonly id: number; readonly online: boolean }[],
    options?: AgentCallOptions,
  ): Promise<void> {
    const command = 'guest-set-vcpus';
    // The agent may process a part of the list and say how many; the rest is given again (qga/qapi-schema.json).
    for (let rest = vcpus; rest.length > 0; ) {
      const args = { vcpus: rest.map(({ id, online }) => ({ 'logical-id': id, online })) };
      const done = await this.#channel.call(command, args, integerShape, options);
      if (done < 1 || done > rest.length) {
        throw agentErrors.garbage({
          guest: this.#channel.guest,
          command,
          reason: `${done} of ${rest.length} done`,
        });
      }
      rest = rest.slice(done);
    }
  }

  async sshKeys(user: string, options?: AgentCallOptions): Promise<readonly string[]> {
    const args = { username: user };
    return (await this.#channel.call('guest-ssh-get-authorized-keys', args, sshKeysShape, options)).keys;
  }

  /** `replace`: the keys that were there go. */
  async addSshKeys(
    user: string,
    keys: readonly string[],
    options?: AgentCallOptions & { readonly replace?: boolean },
  ): Promise<void> {
    const args = { username: user, keys, reset: options?.replace ?? false };
    await this.#channel.call('guest-ssh-add-authorized-keys', args, nothingShape, options);
  }

  async removeSshKeys(user: string, keys: readonly string[], options?: AgentCallOptions): Promise<void> {
    const args = { username: user, keys };
    await this.#channel.call('guest-ssh-remove-authorized-keys', args, nothingShape, options);
  }
}
