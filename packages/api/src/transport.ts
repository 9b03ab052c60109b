/**
 * How a client reaches a daemon: the Unix socket of this host, or TLS with a token. Node's own http and https are
 * used, because a command that only asks should cost no more than Node's start; https and ws load when needed.
 */
import type { IncomingMessage, RequestOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import { clientErrors } from './client-errors.ts';

// An `import` of node:http reads all its exports, WebSocket among them, and so loads the whole of fetch: 40 ms of
// processor time against 4 this way (docs/design/0004-command-line.md). The same goes for node:fs, with 3 ms.
const { Agent, request } = process.getBuiltinModule('node:http');
const { readFileSync } = process.getBuiltinModule('node:fs');

export interface TransportRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
}

export interface TransportResponse {
  readonly status: number;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface Transport {
  /** For messages: where this leads. */
  readonly endpoint: string;
  /**
   * Resolves when the header of the answer is there.
   *
   * @throws client.no-daemon, client.no-right, client.untrusted-certificate, client.unreachable; the signal's reason
   */
  request(request: TransportRequest): Promise<TransportResponse>;
  /** Opens a WebSocket as a stream of bytes. `refused` makes the error of an answer that is no upgrade. */
  websocket(
    path: string,
    refused: (response: TransportResponse) => Promise<Error>,
    signal?: AbortSignal,
  ): Promise<Duplex>;
  /** Ends idle connections. */
  close(): void;
}

export interface TlsTarget {
  /** https://HOST:PORT */
  readonly endpoint: string;
  readonly token?: string;
  /** Path of a PEM file with the authorities to trust instead of the system's. */
  readonly caFile?: string;
}

/** The socket of a daemon on this host: whoever may open it is the administrator. */
export function socketTransport(path: string): Transport {
  const agent = new Agent({ keepAlive: true });
  return new HttpTransport(
    path,
    { socketPath: path, agent },
    async () => request,
    () => agent.destroy(),
  );
}

/** @throws client.bad-endpoint */
export function tlsTransport(target: TlsTarget): Transport {
  const url = URL.canParse(target.endpoint) ? new URL(target.endpoint) : null;
  if (url?.protocol !== 'https:' || url.pathname !== '/' || url.search !== '' || url.username !== '') {
    throw clientErrors['bad-endpoint']({ endpoint: target.endpoint });
  }
  const { ca, headers } = credentials(target);
  // Brackets belong to the URL, not to the address (RFC 3986 section 3.2.2).
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const options = { host, port: url.port === '' ? 443 : Number(url.port), headers, ...(ca && { ca }) };
  let close = (): void => undefined;
  return new HttpTransport(
    url.origin,
    options,
    async () => {
      const https = await import('node:https');
      const agent = new https.Agent({ keepAlive: true });
      close = () => agent.destroy();
      return (given, onResponse) => https.request({ ...given, agent }, onResponse);
    },
    () => close(),
  );
}

function credentials(target: TlsTarget): { ca: string | undefined; headers: Record<string, string> } {
  return {
    ca: target.caFile === undefined ? undefined : readFileSync(target.caFile, 'utf8'),
    headers: target.token === undefined ? {} : { authorization: `Bearer ${target.token}` },
  };
}

type Requester = (
  options: RequestOptions,
  onResponse: (message: IncomingMessage) => void,
) => ReturnType<typeof request>;

class HttpTransport implements Transport {
  readonly endpoint: string;
  readonly close: () => void;
  readonly #options: RequestOptions;
  readonly #load: () => Promise<Requester>;
  #requester: Promise<Requester> | null = null;

  constructor(endpoint: string, options: RequestOptions, load: () => Promise<Requester>, close: () => void) {
    this.endpoint = endpoint;
    this.#options = options;
    this.#load = load;
    this.close = close;
  }

  async request(given: TransportRequest): Promise<TransportResponse> {
    this.#requester ??= this.#load();
    const start = await this.#requester;
    const { method, path, signal } = given;
    const headers = { ...this.#options.headers, ...given.headers } as Record<string, string>;
    const { promise, resolve, reject } = Promise.withResolvers<TransportResponse>();
    const outgoing = start(
      { ...this.#options, method, path, headers, ...(signal && { signal }) },
      (message) => resolve(responseOf(message)),
    );
    outgoing.on('error', (cause) => reject(signal?.aborted ? signal.reason : this.#failure(cause)));
    try {
      await sendBody(outgoing, given.body, promise);
    } catch (cause) {
      // The body's own failure, a local file that cannot be read.
      reject(cause);
      outgoing.destroy();
    }
    return promise;
  }

  async websocket(
    path: string,
    refused: (response: TransportResponse) => Promise<Error>,
    signal?: AbortSignal,
  ): Promise<Duplex> {
    const { createWebSocketStream, WebSocket } = await import('ws');
    const { socketPath, host, port, ca, headers } = this.#options as RequestOptions & { ca?: string };
    const address = socketPath ? `ws+unix:${socketPath}:${path}` : `wss://${bracketed(host!)}:${port}${path}`;
    const socket = new WebSocket(address, {
      headers: headers as Record<string, string>,
      ...(ca !== undefined && { ca }),
      perMessageDeflate: false,
    });
    // Made before it opens: what comes together with the answer would be lost between that and the next turn.
    const stream = createWebSocketStream(socket);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => {
      reject(signal?.reason);
      socket.terminate();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    stream.once('error', reject);
    socket.once('open', resolve);
    socket.on('error', (cause) => reject(this.#failure(cause)));
    socket.once('unexpected-response', (_request, message) => {
      refused(responseOf(message)).then(reject, reject);
    });
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
    stream.off('error', reject);
    return stream;
  }

  #failure(cause: NodeJS.ErrnoException): Error {
    const { endpoint } = this;
    const code = cause.code ?? '';
    if (this.#options.socketPath && ['ENOENT', 'ECONNREFUSED'].includes(code)) {
      return clientErrors['no-daemon']({ endpoint }, { cause });
    }
    if (code === 'EACCES' || code === 'EPERM') return clientErrors['no-right']({ endpoint }, { cause });
    if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|TLS_/.test(code)) {
      return clientErrors['untrusted-certificate']({ endpoint, reason: cause.message }, { cause });
    }
    return clientErrors.unreachable({ endpoint, reason: cause.message || code }, { cause });
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function responseOf(message: IncomingMessage): TransportResponse {
  return { status: message.statusCode ?? 0, headers: message.headers, body: message };
}

/** Sends until all is sent, or until the answer is there: a daemon that refuses does not read the rest. */
async function sendBody(
  outgoing: ReturnType<typeof request>,
  body: TransportRequest['body'],
  answered: Promise<unknown>,
): Promise<void> {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    outgoing.end(body);
    return;
  }
  let isAnswered = false;
  const onAnswer = (): void => {
    isAnswered = true;
  };
  const answer = answered.then(onAnswer, onAnswer);
  for await (const piece of body) {
    if (isAnswered) break;
    if (outgoing.write(piece)) continue;
    const drained = new Promise<void>((resolve) => outgoing.once('drain', resolve));
    await Promise.race([drained, answer]);
  }
  outgoing.end();
}
