/**
 * Starts, finds and ends the processes that serve backups below the disks of VMs (point-server.ts). What must be served
 * is in the VM's settings, and who serves it is found by its arguments: nothing else is recorded.
 */
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { delay, withLimit } from '@corral/core/abort';
import type { DataDirectory } from '../data-directory.ts';
import { findProcesses } from '../process/find-process.ts';
import { killProcess, type ProcessIdentity, sendSignal, waitForExit } from '../process/process-identity.ts';
import { spawnDetached } from '../process/spawn-detached.ts';
import type { RepositoryConnections } from '../repository/connections.ts';
import { endOfLog } from '../vm/qemu-log.ts';
import { restoreErrors } from './errors.ts';
import { PointServerTask } from './point-server-task.ts';

const program = fileURLToPath(new URL('./point-server.ts', import.meta.url));
const startLimitMs = 60_000;
const endLimitMs = 10_000;
const lookMs = 50;

type Machine = Pick<VmSettings, 'id' | 'name' | 'disks'>;

export class PointServers {
  readonly #directory: DataDirectory;
  readonly #connections: RepositoryConnections;
  /** By VM: one thing at a time, or two would be started. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(directory: DataDirectory, connections: RepositoryConnections) {
    this.#directory = directory;
    this.#connections = connections;
  }

  /** Where the disk of a VM is served. @param index of the disk in the settings: names may be too long for a socket */
  socketOf(vmId: string, index: number): string {
    return join(this.#directory.root, 'run', `${vmId}.point${index}.sock`);
  }

  /** Sees to it that what the VM's disks stand on is served. Repeatable. @throws restore.not-served */
  async ensure(vm: Machine, uid: number | null, signal: AbortSignal): Promise<void> {
    await this.#inTurn(vm.id, () => this.#ensure(vm, uid, signal));
  }

  /** Ends what serves the VM, if anything does. Repeatable. */
  async end(vmId: string): Promise<void> {
    await this.#inTurn(vmId, () => this.#end(vmId));
  }

  async #inTurn(vmId: string, work: () => Promise<void>): Promise<void> {
    const before = this.#turns.get(vmId) ?? Promise.resolve();
    // Whoever went before tells its own caller what went wrong.
    const turn = before.catch(() => undefined).then(work);
    this.#turns.set(vmId, turn);
    try {
      await turn;
    } finally {
      if (this.#turns.get(vmId) === turn) this.#turns.delete(vmId);
    }
  }

  async #ensure(vm: Machine, uid: number | null, signal: AbortSignal): Promise<void> {
    const layers = vm.disks.flatMap(({ parents }) => parents.filter(({ point }) => point));
    const first = layers[0]?.point;
    if (!first) return;
    if ((await this.#find(vm.id)).length > 0 && (await this.#answer(layers))) return;
    await this.#end(vm.id);
    const { id, place } = await this.#connections.records.get(first.repositoryId);
    const task: PointServerTask = {
      root: this.#directory.root,
      vmId: vm.id,
      uid,
      repository: { id, place },
      pointId: first.pointId,
      disks: layers.map((layer) => ({
        name: layer.point!.disk,
        socket: this.#directory.forQemu(layer.path),
      })),
    };
    await this.#start(vm, task, () => this.#answer(layers), signal);
  }

  async #end(vmId: string): Promise<void> {
    for (const identity of await this.#find(vmId)) {
      await sendSignal(identity, 'SIGTERM');
      await waitForExit('Ending what serves a backup', identity, endLimitMs).catch(() =>
        killProcess('what serves a backup', identity),
      );
    }
    for (let index = 0; index < mostDisks; index += 1) await rm(this.socketOf(vmId, index), { force: true });
  }

  #find(vmId: string): Promise<ProcessIdentity[]> {
    const { root } = this.#directory;
    return findProcesses((args) => {
      const at = args.indexOf(program);
      if (at < 0) return false;
      const task = PointServerTask.safeParse(parse(args[at + 1] ?? ''));
      return task.success && task.data.vmId === vmId && task.data.root === root;
    });
  }

  async #answer(layers: readonly { readonly path: string }[]): Promise<boolean> {
    for (const { path } of layers) {
      if (!(await connects(this.#directory.socketAddress(path)))) return false;
    }
    return true;
  }

  async #start(
    { id, name }: Machine,
    task: PointServerTask,
    answers: () => Promise<boolean>,
    signal: AbortSignal,
  ): Promise<void> {
    const logPath = join(this.#directory.vm(id).log, 'point-server.log');
    const { exited } = await spawnDetached({
      program: process.execPath,
      args: ['--disable-warning=ExperimentalWarning', program, JSON.stringify(task)],
      cwd: this.#directory.root,
      user: null,
      logPath,
      env: storeEnvironment(),
    });
    let ended = false;
    void exited.then(() => {
      ended = true;
    });
    await withLimit('Starting what serves a backup', startLimitMs, signal, async (limited) => {
      while (!(await answers())) {
        if (ended) throw restoreErrors['not-served']({ vm: name, lastWords: await endOfLog(logPath) });
        await delay(lookMs, limited);
      }
    });
  }
}

/** As many as settings may have. */
const mostDisks = 64;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The arguments of some other program.
    return null;
  }
}

/** Whether somebody listens. The connection is closed at once: the server takes that as a client that changed its mind. */
function connects(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Of what the daemon's environment gives to the SDKs of stores, when a connection has no credentials of its own. */
function storeEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      /^(AWS_|AZURE_|NODE_COMPILE_CACHE$|NODE_EXTRA_CA_CERTS$|HTTPS?_PROXY$|NO_PROXY$)/.test(entry[0]),
  );
  return Object.fromEntries(entries);
}
