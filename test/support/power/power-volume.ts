/**
 * An ext4 file system on a disk that forgets what was not flushed when its power is cut. This kernel has no driver for
 * NBD, so QEMU's storage daemon shows the disk as a file through FUSE, and a loop device makes that a block device;
 * both pass flushes on.
 */
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { STORAGE_DAEMON } from '../../qemu/support/storage.ts';
import { missing, ToolProcess } from '../../qemu/support/tool-process.ts';
import { eventually } from '../operations.ts';
import type { CutReport } from './forgetting-disk.ts';
import type { ServerAnswer, ServerCommand } from './forgetting-server.ts';

const execute = promisify(execFile);

/** Why it cannot be had here; false where it can. */
export const noPowerVolume = missing(STORAGE_DAEMON, 'mkfs.ext4');

export class PowerVolume implements AsyncDisposable {
  /** The mount point, open to be walked through. */
  readonly path: string;
  readonly #folder: string;
  readonly #server: ChildProcess;
  #storage: ToolProcess | null = null;
  #turn = 0;
  #mounted = false;

  private constructor(folder: string, bytes: number) {
    this.#folder = folder;
    this.path = join(folder, 'mounted');
    this.#server = fork(join(import.meta.dirname, 'forgetting-server.ts'), [String(bytes)]);
  }

  static async create(bytes = 512 * 2 ** 20): Promise<PowerVolume> {
    const folder = await mkdtemp(join(tmpdir(), 'corral-power-'));
    const volume = new PowerVolume(folder, bytes);
    try {
      await chmod(folder, 0o711);
      await mkdir(volume.path);
      await writeFile(volume.#device, '');
      await volume.#attach();
      // Without discards: they would be writes of zeros to the whole disk.
      await execute('mkfs.ext4', ['-q', '-F', '-E', 'nodiscard', volume.#device]);
      await volume.#mount();
      await chmod(volume.path, 0o755);
      return volume;
    } catch (cause) {
      await volume[Symbol.asyncDispose]();
      throw cause;
    }
  }

  /** Nothing reaches the disk from now on; whoever has a file open gets errors. */
  async cut(seed: number): Promise<CutReport> {
    const answer = await this.#ask({ do: 'cut', seed });
    if (answer.done !== 'cut') throw new Error(`the server answered "${answer.done}"`);
    return answer;
  }

  /** After a cut, when nobody has a file open any more. */
  async restorePower(): Promise<void> {
    await this.#detach();
    await this.#attach();
    await this.#mount();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#detach();
    if (this.#server.connected) {
      const ended = once(this.#server, 'exit');
      this.#server.disconnect();
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #device(): string {
    return join(this.#folder, 'disk');
  }

  async #attach(): Promise<void> {
    this.#turn += 1;
    const socket = join(this.#folder, `disk-${this.#turn}.sock`);
    const ready = join(this.#folder, `ready-${this.#turn}.sock`);
    await this.#ask({ do: 'serve', socket });
    const device = this.#device;
    this.#storage = await ToolProcess.start(
      STORAGE_DAEMON,
      [
        ['--blockdev', `driver=nbd,node-name=disk,server.type=unix,server.path=${socket},export=disk`],
        ['--export', `type=fuse,id=fuse,node-name=disk,mountpoint=${device},writable=on,allow-other=off`],
        // For nobody: it does what its arguments say one after the other, so the file is there when this one listens.
        ['--nbd-server', `addr.type=unix,addr.path=${ready}`],
      ].flat(),
      ready,
    );
  }

  async #mount(): Promise<void> {
    await execute('mount', ['-o', 'loop', this.#device, this.path]);
    this.#mounted = true;
  }

  async #detach(): Promise<void> {
    if (this.#mounted) await this.#unmount();
    this.#mounted = false;
    const storage = this.#storage;
    this.#storage = null;
    if (!storage) return;
    storage.kill('SIGTERM');
    await storage.ended();
  }

  /** The kernel lets go of the files of a process a moment after it has ended. */
  async #unmount(): Promise<void> {
    await eventually(
      `${this.path} is not busy`,
      () =>
        execute('umount', [this.path]).then(
          () => null,
          (cause: Error) => cause,
        ),
      (failure) => {
        if (failure && !failure.message.includes('busy')) throw failure;
        return failure === null;
      },
    );
  }

  async #ask(command: ServerCommand): Promise<ServerAnswer> {
    const answered = once(this.#server, 'message');
    this.#server.send(command);
    const [answer] = await answered;
    return answer as ServerAnswer;
  }
}
