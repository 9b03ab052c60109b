/** The same work without Corral: its daemon is gone, and these are the commands that a script would send. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { chmod, chown, rm, stat } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { DiskSettings } from '@corral/api/schemas/vm-settings';
import { UserfaultfdLender } from '@corral/host/checkpoint/lend-userfaultfd';
import { diskFileOptions, diskFormatOptions, layerNode } from '@corral/host/vm/qemu-devices';
import { QmpClient } from '@corral/qmp/qmp-client';

const execute = promisify(execFile);

export class BareQmp implements AsyncDisposable {
  readonly #data: string;
  readonly #vmId: string;
  readonly #qmp: QmpClient;
  #top: DiskSettings;
  #count = 0;

  private constructor(data: string, vmId: string, qmp: QmpClient, top: DiskSettings) {
    this.#data = data;
    this.#vmId = vmId;
    this.#qmp = qmp;
    this.#top = top;
  }

  static async connect(data: string, vmId: string, disk: DiskSettings): Promise<BareQmp> {
    return new BareQmp(data, vmId, await QmpClient.connect(join(data, 'run', vmId, 'qmp.sock')), disk);
  }

  /** stop, blockdev-snapshot, background-snapshot, cont. @returns from `stop` to QEMU's RESUME, in ms */
  async checkpoint(): Promise<number> {
    const overlay = await this.#openOverlay();
    // Other daemons of this host need the same setting: whoever is the last puts it back.
    await using _userfaultfd = await new UserfaultfdLender().lend();
    await this.#background(true);
    const pauseMs = await this.#migrate(async () => {
      const data = { node: layerNode(this.#top.path), overlay: layerNode(overlay.path) };
      await this.#qmp.execute('transaction', { actions: [{ type: 'blockdev-snapshot', data }] });
    });
    await this.#background(false);
    this.#top = overlay;
    return pauseMs;
  }

  /** stop, migrate to its end, cont. @returns from `stop` to QEMU's RESUME, in ms */
  stopAndSave(): Promise<number> {
    return this.#migrate(null);
  }

  async #migrate(fork: (() => Promise<void>) | null): Promise<number> {
    const socket = join(this.#data, 'run', this.#vmId, 'bench.sock');
    const target = join(this.#data, 'bench-memory');
    await rm(socket, { force: true });
    const server = createServer();
    server.listen(socket);
    await once(server, 'listening');
    await chmod(socket, 0o666);
    const received = once(server, 'connection').then(([stream]) =>
      pipeline(stream as Socket, createWriteStream(target)),
    );
    await this.#qmp.execute('migrate-set-parameters', { 'max-bandwidth': 64 * 2 ** 30 });
    let resumedAt = 0;
    using _resumed = this.#qmp.subscribe(({ name }) => {
      if (name === 'RESUME') resumedAt = performance.now();
    });
    const stoppedAt = performance.now();
    await this.#qmp.execute('stop');
    await fork?.();
    await this.#qmp.execute('migrate', { uri: `unix:run/${this.#vmId}/bench.sock` });
    await this.#until(fork !== null);
    await this.#qmp.execute('cont');
    await this.#until(false);
    await received;
    server.close();
    await rm(target, { force: true });
    return resumedAt - stoppedAt;
  }

  async #until(pagesSent: boolean): Promise<void> {
    await this.#qmp.waitFor(
      'The migration',
      async () => {
        const { ram, status } = await this.#qmp.execute('query-migrate');
        if (status === 'failed') throw new Error('the migration failed');
        const sent = pagesSent && ram !== undefined && ram.normal + ram.duplicate > 0;
        return status === 'completed' || sent || undefined;
      },
      { events: [], everyMs: 1, limitMs: 120_000 },
    );
  }

  async #background(state: boolean): Promise<void> {
    const capability = 'background-snapshot';
    await this.#qmp.execute('migrate-set-capabilities', { capabilities: [{ capability, state }] });
  }

  async #openOverlay(): Promise<DiskSettings> {
    this.#count += 1;
    const path = `disks/bench.${this.#count}.qcow2`;
    const folder = join(this.#data, 'vms', this.#vmId);
    const file = join(folder, path);
    await execute('qemu-img', ['create', '-q', '-f', 'qcow2', file, String(this.#top.sizeBytes)]);
    const { uid, gid } = await stat(join(folder, this.#top.path));
    await chown(file, uid, gid);
    const overlay = { ...this.#top, path, parents: [] };
    const direct = { path: `vms/${this.#vmId}/${path}`, direct: true };
    const options = diskFileOptions(overlay, direct);
    await this.#qmp.execute('blockdev-add', options as never);
    await this.#qmp.execute('blockdev-add', diskFormatOptions(overlay) as never);
    return overlay;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#qmp.close();
  }
}
