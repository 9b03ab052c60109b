/**
 * Serves disks of a backup, read-only, to the QEMU of one VM: a process of its own, so that a VM which runs from its
 * backup outlives the daemon. It ends when it is told to, by SIGTERM.
 */
import { chown, rm } from 'node:fs/promises';
import { isUnreachable } from '@corral/backup/errors';
import { delay } from '@corral/core/abort';
import type { NbdExport } from '@corral/nbd/nbd-export';
import { NbdServer } from '@corral/nbd/nbd-server';
import { openConnected } from '../repository/connections.ts';
import { CredentialFiles } from '../repository/credentials.ts';
import { PointServerTask } from './point-server-task.ts';

/** A store that is away and comes back must not reach the guest as an I/O error at once. */
const storeLimitMs = 5 * 60e3;
const againMs = 1_000;

function log(text: string): void {
  process.stderr.write(`${new Date().toISOString()} ${text}\n`);
}

function patient(disk: NbdExport): NbdExport {
  const { read } = disk;
  return {
    ...disk,
    read: async (offset, length, signal) => {
      const end = performance.now() + storeLimitMs;
      for (;;) {
        try {
          return await read(offset, length, signal);
        } catch (cause) {
          if (!isUnreachable(cause) || performance.now() > end) throw cause;
          log(`the store is away: ${cause.message}`);
          await delay(againMs, signal);
        }
      }
    },
  };
}

async function serve(task: PointServerTask): Promise<void> {
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  process.once('SIGINT', () => stop.abort());
  const { disks, pointId, repository: place, root, uid } = task;
  await using repository = await openConnected(place, new CredentialFiles(root), { signal: stop.signal });
  await using held = await repository.holdPoint(pointId, stop.signal);
  await using servers = new AsyncDisposableStack();
  for (const { name, socket } of disks) {
    // Of a server that died.
    await rm(socket, { force: true });
    const exports = new Map([[name, patient(held.export(name))]]);
    const onError = (cause: unknown): void => log(cause instanceof Error ? cause.message : String(cause));
    servers.use(await NbdServer.listen({ path: socket, exports, onError }));
    if (uid !== null) await chown(socket, uid, uid);
  }
  log('ready');
  await new Promise<void>((resolve) => {
    // A listener alone does not keep Node alive, but the servers do.
    if (stop.signal.aborted) resolve();
    stop.signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

await serve(PointServerTask.parse(JSON.parse(process.argv[2]!)));
