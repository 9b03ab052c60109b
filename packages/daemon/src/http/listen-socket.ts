/** The Unix socket: mode 0600 from its first moment, left-over sockets of a dead daemon taken away. */
import { lstat, unlink } from 'node:fs/promises';
import { get } from 'node:http';
import { connect } from 'node:net';
import { withLimit } from '@corral/core/abort';
import { unlessAbsent } from '@corral/host/storage/unless-absent';
import type { FastifyInstance } from 'fastify';
import { daemonErrors } from '../errors.ts';

/** sizeof(sun_path) less the zero byte at the end, unix(7). */
const maxPathBytes = 107;
const probeLimitMs = 2_000;

/**
 * @throws daemon.socket-in-use when a daemon answers there, by its name and process; daemon.socket-blocked when
 * something that is no socket lies there; daemon.socket-path-too-long
 */
export async function listenOnSocket(app: FastifyInstance, path: string): Promise<void> {
  const bytes = Buffer.byteLength(path);
  if (bytes > maxPathBytes) {
    throw daemonErrors['socket-path-too-long']({ path, bytes, limit: maxPathBytes });
  }
  await clear(path);
  await app.ready();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const { server } = app;
  server.once('error', reject);
  // bind(2) happens within `listen`, so nothing else of this process makes a file under this mask.
  const mask = process.umask(0o177);
  try {
    server.listen({ path }, resolve);
  } finally {
    process.umask(mask);
  }
  try {
    await promise;
  } catch (cause) {
    throw daemonErrors['cannot-listen'](
      { address: path, reason: (cause as Error).message, fix: 'Check the folder and its rights.' },
      { cause },
    );
  } finally {
    server.off('error', reject);
  }
}

/** Takes a socket away on which nobody listens any more. */
async function clear(path: string): Promise<void> {
  const found = await unlessAbsent(lstat(path), null);
  if (found === null) return;
  if (!found.isSocket()) {
    throw daemonErrors['socket-blocked']({ path, what: found.isDirectory() ? 'a folder' : 'a file' });
  }
  if (await answers(path)) {
    throw daemonErrors['socket-in-use']({ path, holder: await holderOf(path) });
  }
  await unlink(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ECONNREFUSED') resolve(false);
      // Its queue is full: somebody holds it, though too busy to answer.
      else if (cause.code === 'EAGAIN') resolve(true);
      else reject(cause);
    });
  });
}

/** Who it is, if it tells; whoever does not speak our API is only "another process". */
async function holderOf(path: string): Promise<string> {
  try {
    const text = await withLimit('asking the other daemon', probeLimitMs, undefined, (signal) =>
      readHealth(path, signal),
    );
    const { name, pid } = JSON.parse(text) as { name: string; pid: number };
    return `corrald of node ${name} (process ${pid})`;
  } catch {
    // Any failure means that it is no corrald, or none that answers: the refusal stands either way.
    return 'another process';
  }
}

function readHealth(path: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ socketPath: path, path: '/healthz', signal }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () => resolve(Buffer.concat(pieces).toString()));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}
