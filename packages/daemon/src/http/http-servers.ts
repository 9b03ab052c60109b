/** The daemon's listeners: the Unix socket for the host's administrator, and TLS for those who have a token. */

import type { Server as TlsServer } from 'node:https';
import { hostname } from 'node:os';
import { CorralError } from '@corral/core/errors';
import type { EventSubject } from '@corral/core/events';
import type { EventLog } from '@corral/host/event-log';
import type { Logger } from '@corral/host/logger';
import type { FastifyInstance } from 'fastify';
import { authenticateSocket, authenticateToken, type TokenCheck } from './authenticate.ts';
import { type CertificateOptions, serverCertificate } from './certificate.ts';
import { FailedLogins } from './failed-logins.ts';
import type { Handlers } from './handler.ts';
import { formatAddress, type ListenAddress, listenOnAddress } from './listen-address.ts';
import { listenOnSocket } from './listen-socket.ts';
import { buildServer, type RequestRecord, type ServerOptions } from './server.ts';

export interface HttpServersOptions {
  readonly handlers: Handlers;
  readonly tokens: TokenCheck;
  readonly events: Pick<EventLog, 'append'>;
  readonly log: Logger;
  readonly onRequestEnd: (record: RequestRecord) => void;
  /** DIR/corrald.sock */
  readonly socketPath: string;
  /** Null: no TLS endpoint. */
  readonly listen: ListenAddress | null;
  /** DIR/tls */
  readonly tlsFolder: string;
  /** This host, as events name it. */
  readonly host: EventSubject;
}

const renewalCheckMs = 12 * 3_600_000;
const drainMs = 5_000;

export class HttpServers implements AsyncDisposable {
  /** `unix:PATH` and `https://HOST:PORT`. */
  readonly endpoints: readonly string[];
  /** What clients of the TLS endpoint trust; null without one. */
  readonly caPath: string | null;
  readonly #stop: () => Promise<void>;
  #stopped: Promise<void> | null = null;

  constructor(endpoints: readonly string[], caPath: string | null, stop: () => Promise<void>) {
    this.endpoints = endpoints;
    this.caPath = caPath;
    this.#stop = stop;
  }

  /** Ends streams, lets requests under way end, and takes the socket away. Harmless when repeated. */
  close(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** @throws what `listenOnSocket`, `listenOnAddress` and `serverCertificate` throw; nothing listens then */
export async function startHttpServers(options: HttpServersOptions): Promise<HttpServers> {
  await using stack = new AsyncDisposableStack();
  const stopping = new AbortController();
  const { socketPath } = options;
  const socket = await addServer(options, stopping, stack, { authenticate: authenticateSocket });
  await listenOnSocket(socket, socketPath);
  const endpoints = [`unix:${socketPath}`];
  let caPath: string | null = null;
  if (options.listen) {
    const tls = await startTls({ ...options, listen: options.listen }, stopping, stack);
    endpoints.push(tls.endpoint);
    caPath = tls.caPath;
  }
  // Disposed of last to first, so before any server closes its streams are told to end.
  stack.defer(() => stopping.abort(new Error('the daemon is stopping')));
  const started = stack.move();
  return new HttpServers(endpoints, caPath, () => started.disposeAsync());
}

async function startTls(
  options: HttpServersOptions & { readonly listen: ListenAddress },
  stopping: AbortController,
  stack: AsyncDisposableStack,
): Promise<{ readonly endpoint: string; readonly caPath: string }> {
  const certificateOptions = { folder: options.tlsFolder, names: namesOf(options.listen) };
  const certificate = await serverCertificate(certificateOptions);
  const authenticate = authenticateToken(options.tokens, countFailures(options));
  const server = await addServer(options, stopping, stack, { authenticate, tls: certificate });
  const address = await listenOnAddress(server, options.listen);
  const timer = setInterval(() => void renew(server, certificateOptions, options), renewalCheckMs);
  timer.unref();
  stack.defer(() => clearInterval(timer));
  return { endpoint: `https://${formatAddress(address)}`, caPath: certificate.caPath };
}

async function addServer(
  { handlers, log, onRequestEnd }: HttpServersOptions,
  stopping: AbortController,
  stack: AsyncDisposableStack,
  own: Pick<ServerOptions, 'authenticate' | 'tls'>,
): Promise<FastifyInstance> {
  const server = await buildServer({ handlers, log, onRequestEnd, stopping: stopping.signal, ...own });
  return stack.adopt(server, closeServer);
}

/** Names under which clients reach the listener: loopback, what it was told, and what the host is called. */
function namesOf({ host }: ListenAddress): string[] {
  const anywhere = host === '0.0.0.0' || host === '::';
  return [...new Set(['localhost', '127.0.0.1', '::1', hostname(), ...(anywhere ? [] : [host])])];
}

function countFailures({ events, host, log }: HttpServersOptions): FailedLogins {
  return new FailedLogins({
    onLimit: (address, count) => {
      events
        .append('host.failed-logins', host, { address, count })
        .catch((cause: unknown) => log.error({ err: cause }, 'an event could not be stored'));
    },
  });
}

/** Takes a new certificate into use without a restart. A failure leaves the old one, which holds 30 days more. */
async function renew(
  tls: FastifyInstance,
  certificateOptions: CertificateOptions,
  { events, host, log }: HttpServersOptions,
): Promise<void> {
  try {
    const { cert, expiresAt, isNew, key } = await serverCertificate(certificateOptions);
    if (!isNew) return;
    (tls.server as unknown as TlsServer).setSecureContext({ cert, key });
    await events.append('host.certificate-renewed', host, { expiresAt: expiresAt.toISOString() });
  } catch (cause) {
    const context = { err: cause, code: cause instanceof CorralError ? cause.code : null };
    log.error(context, 'the TLS certificate could not be renewed');
  }
}

/** Requests under way may end; after a while their connections are cut. Node takes the socket's file away. */
async function closeServer(server: FastifyInstance): Promise<void> {
  const cut = setTimeout(() => server.server.closeAllConnections(), drainMs);
  try {
    await server.close();
  } finally {
    clearTimeout(cut);
  }
}
