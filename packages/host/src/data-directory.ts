/**
 * Where everything of one daemon lies (docs/formats/data-directory.md).
 *
 * QEMU is started with the data directory as its working directory and gets every path below it as a relative
 * one: a VM's user then needs no right to walk through the folders above (a home folder, say), and the length of
 * those does not count against the 107 bytes of a Unix socket's address (unix(7)).
 */
import { chmod, type FileHandle, mkdir, open } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { isThere } from './storage/unless-absent.ts';

export interface VmPaths {
  /** Settings, disks, firmware variables, saved memory: what makes the VM. Mode 0700, owned by the VM's user. */
  readonly folder: string;
  readonly settings: string;
  readonly disks: string;
  readonly firmwareVariables: string;
  readonly tpm: string;
  readonly savedMemory: string;
  readonly boot: string;
  readonly checkpoints: string;
  readonly log: string;
  /** Sockets; emptied at each start. Mode 0700, owned by the VM's user. */
  readonly run: string;
  readonly qmpSocket: string;
  readonly agentSocket: string;
  readonly serialSocket: string;
  readonly vncSocket: string;
  readonly tpmSocket: string;
  readonly migrationSocket: string;
}

/** Room in the address of a Unix socket (unix(7)). */
const socketAddressBytes = 107;

export class DataDirectory implements AsyncDisposable {
  readonly root: string;
  #run: FileHandle | null = null;

  constructor(root: string) {
    this.root = resolve(root);
  }

  get images(): string {
    return join(this.root, 'images');
  }

  vm(id: string): VmPaths {
    const folder = join(this.root, 'vms', id);
    const run = join(this.root, 'run', id);
    return {
      folder,
      settings: join(folder, 'vm.json'),
      disks: join(folder, 'disks'),
      firmwareVariables: join(folder, 'firmware-variables.fd'),
      tpm: join(folder, 'tpm'),
      savedMemory: join(folder, 'saved-memory'),
      boot: join(folder, 'boot'),
      checkpoints: join(folder, 'checkpoints'),
      log: join(folder, 'log'),
      run,
      qmpSocket: join(run, 'qmp.sock'),
      agentSocket: join(run, 'agent.sock'),
      serialSocket: join(run, 'serial.sock'),
      vncSocket: join(run, 'vnc.sock'),
      tpmSocket: join(run, 'tpm.sock'),
      migrationSocket: join(run, 'migration.sock'),
    };
  }

  /** There while the VM's guest may be frozen. Not in the VM's own folder below `run`, in which QEMU's user writes. */
  freezeMark(id: string): string {
    return join(this.root, 'run', `${id}.frozen`);
  }

  async isMarkedFrozen(id: string): Promise<boolean> {
    return await isThere(this.freezeMark(id));
  }

  /** As QEMU, whose working directory is the root, has to write the path. */
  forQemu(path: string): string {
    const inside = relative(this.root, resolve(this.root, path));
    return inside.startsWith('..') ? path : inside;
  }

  /**
   * Where this process connects to or listens on a socket below `run`. Where the path is longer than an address may
   * be, it goes through the open folder.
   */
  socketAddress(path: string): string {
    if (Buffer.byteLength(path) <= socketAddressBytes || !this.#run) return path;
    return `/proc/self/fd/${this.#run.fd}/${relative(join(this.root, 'run'), path)}`;
  }

  /** A path of the settings file: relative to the VM's folder, or absolute. */
  resolveInVm(id: string, path: string): string {
    return resolve(this.vm(id).folder, path);
  }

  /** Makes the folders. Others may walk through (a VM's user must reach its own), not look around. */
  async prepare(): Promise<void> {
    for (const folder of [this.root, join(this.root, 'vms'), join(this.root, 'run'), this.images]) {
      await mkdir(folder, { recursive: true, mode: 0o711 });
      await chmod(folder, 0o711);
    }
    this.#run ??= await open(join(this.root, 'run'), 'r');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run?.close();
    this.#run = null;
  }
}
