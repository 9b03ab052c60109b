/**
 * The memory of a VM between QEMU and a file, over QEMU's migration protocol on a Unix socket: the only way that
 * works in every QEMU from 7.2 on inside the sandbox (`exec:` needs `spawn`, `file:` came with 8.2).
 *
 * The file is the migration stream as it is. Its length and CRC-32 are recorded beside it, so that a file that was
 * cut or flipped is refused before a guest is made of it.
 */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { chmod, open, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { withLimit } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import type { QmpClient } from '@corral/qmp/qmp-client';
import { makeWhole } from '../storage/whole-files.ts';

export interface MemoryFile {
  readonly sizeBytes: number;
  readonly crc32: number;
}

export interface StreamOptions {
  /** Where the daemon listens, and the same path as QEMU has to write it. */
  readonly socketPath: string;
  readonly qemuSocketPath: string;
  readonly signal: AbortSignal;
  readonly progress?: (doneBytes: number) => void;
}

export interface SaveOptions extends StreamOptions {
  /** QEMU's `background-snapshot`: the guest runs on while its memory of one instant is written. */
  readonly background?: boolean;
  /**
   * Done when the daemon listens, in place of plainly sending `migrate`, which tells QEMU to begin: what has to come directly
   * before that is sent with it, and QEMU carries it out in order.
   */
  readonly begin?: (migrate: () => Promise<unknown>) => Promise<unknown>;
  /** Done while the memory is written, as soon as QEMU has begun. */
  readonly onBegun?: () => Promise<void>;
}

/** QEMU does so at once, unless its main loop is busy. */
const connectLimitMs = 60_000;

/**
 * Writes the memory of a stopped guest to `path`, which appears only when it is whole and synced.
 * On failure QEMU's migration is cancelled, the guest can go on, and no file is left.
 */
export async function saveMemory(qmp: QmpClient, path: string, options: SaveOptions): Promise<MemoryFile> {
  await rm(options.socketPath, { force: true });
  const server = createServer({ pauseOnConnect: true });
  const connected = Promise.withResolvers<Socket>();
  server.once('connection', connected.resolve);
  try {
    server.listen(options.socketPath);
    await once(server, 'listening', { signal: options.signal });
    // The folder admits only the VM's user; connecting needs the right to write to the socket.
    await chmod(options.socketPath, 0o666);
    await qmp.execute('migrate-set-parameters', { 'max-bandwidth': 64 * 2 ** 30 });
    await setBackground(qmp, options.background ?? false);
    const migrate = (): Promise<unknown> => qmp.execute('migrate', { uri: `unix:${options.qemuSocketPath}` });
    await (options.begin?.(migrate) ?? migrate());
    const socket = await withLimit(
      'Waiting for the memory',
      connectLimitMs,
      options.signal,
      () => connected.promise,
    );
    return await makeWhole(path, async (part) => {
      const [written] = await Promise.all([receive(socket, part, options), options.onBegun?.()]);
      await migrationCompleted(qmp, options.signal);
      return written;
    });
  } catch (cause) {
    await cancelMigration(qmp);
    throw cause;
  } finally {
    server.close();
    // Also of a QEMU that connects only now, and would wait for somebody to read.
    void connected.promise.then((socket) => socket.destroy());
    await rm(options.socketPath, { force: true });
  }
}

/**
 * A capability stays as it was set until QEMU ends, so each migration sets it.
 *
 * @throws qmp.command-failed when it is wanted and QEMU cannot have userfaultfd
 */
export async function setBackground(qmp: QmpClient, state: boolean): Promise<void> {
  await qmp.execute('migrate-set-capabilities', {
    capabilities: [{ capability: 'background-snapshot', state }],
  });
}

/** Feeds the file to a QEMU that was started with `-incoming defer`, and waits until it has taken it all. */
export async function restoreMemory(qmp: QmpClient, path: string, options: StreamOptions): Promise<void> {
  await rm(options.socketPath, { force: true });
  await qmp.execute('migrate-incoming', { uri: `unix:${options.qemuSocketPath}` });
  const socket = connect(options.socketPath);
  try {
    await once(socket, 'connect', { signal: options.signal });
    await pipeline(createReadStream(path, { highWaterMark: chunkBytes }), socket, { signal: options.signal });
    await migrationCompleted(qmp, options.signal);
  } finally {
    socket.destroy();
    await rm(options.socketPath, { force: true });
  }
}

/** Whether the file is still what was written. */
export async function checkMemoryFile(path: string): Promise<MemoryFile> {
  let sizeBytes = 0;
  let sum = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) {
    sizeBytes += (chunk as Buffer).length;
    sum = crc32(chunk as Buffer, sum);
  }
  return { sizeBytes, crc32: sum };
}

const chunkBytes = 2 ** 20;

async function receive(socket: Socket, path: string, options: StreamOptions): Promise<MemoryFile> {
  let sizeBytes = 0;
  let sum = 0;
  await using file = await open(path, 'w', 0o600);
  const onAbort = (): void => void socket.destroy(options.signal.reason as Error);
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const chunk of socket.resume()) {
      await file.appendFile(chunk as Buffer);
      sizeBytes += (chunk as Buffer).length;
      sum = crc32(chunk as Buffer, sum);
      options.progress?.(sizeBytes);
    }
  } finally {
    options.signal.removeEventListener('abort', onAbort);
  }
  await file.sync();
  return { sizeBytes, crc32: sum };
}

async function cancelMigration(qmp: QmpClient): Promise<void> {
  try {
    await qmp.execute('migrate_cancel');
  } catch (cause) {
    // With QEMU its migration ended too; why it ended is told by whoever called.
    if (!isCorralError(cause, 'qmp.connection-lost') && !isCorralError(cause, 'qmp.closed')) throw cause;
  }
}

async function migrationCompleted(qmp: QmpClient, signal: AbortSignal): Promise<void> {
  await qmp.waitFor(
    'Transferring the memory',
    async (limited) => {
      const { status, 'error-desc': reason } = await qmp.execute('query-migrate', {}, { signal: limited });
      if (status === 'completed') return true;
      if (status === 'failed' || status === 'cancelled') {
        throw new Error(`QEMU's migration ended as "${status}"${reason ? `: ${reason}` : ''}`);
      }
      return undefined;
    },
    // Without the capability 'events' QEMU sends none for migration.
    { signal, limitMs: 600_000, events: ['MIGRATION'], everyMs: 20 },
  );
}
