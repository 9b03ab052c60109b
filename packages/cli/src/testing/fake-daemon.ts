/**
 * A double of the daemon for tests, made from the contract: it knows every route of the table and no other, checks
 * each request against the route's schemas as the daemon does, and each answer that a test gives it too, so that it
 * cannot drift from what the daemon may say. What a route answers, the test says.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Route } from '@corral/api/route';
import { allRoutes, type RouteId } from '@corral/api/routes';
import { Problem } from '@corral/api/schemas/problem';
import { type WebSocket, WebSocketServer } from 'ws';
import { problemOf } from '../report-error.ts';

export interface FakeRequest {
  readonly route: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  readonly headers: IncomingMessage['headers'];
}

export interface FakeEvent {
  readonly id: string | number;
  readonly data: unknown;
}

/**
 * The document, or the bytes or text; an iterable of events for a stream, which ends with `event: end` unless it
 * throws, which cuts the connection; what is thrown otherwise becomes a problem.
 */
export type Answer = (request: FakeRequest, socket?: WebSocket) => unknown;
export type Answers = Readonly<Partial<Record<RouteId, Answer>>>;

export class FakeDaemon implements AsyncDisposable {
  readonly socketPath: string;
  readonly requests: FakeRequest[] = [];
  answers: Answers;
  readonly #directory: string;
  readonly #connections = new Set<Socket>();
  #server: Server | null = null;

  private constructor(directory: string, answers: Answers) {
    this.#directory = directory;
    this.socketPath = join(directory, 'corrald.sock');
    this.answers = answers;
  }

  static async start(answers: Answers = {}): Promise<FakeDaemon> {
    const daemon = new FakeDaemon(await mkdtemp(join(tmpdir(), 'corral-cli-')), answers);
    await daemon.listen();
    return daemon;
  }

  async listen(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.on('connection', (socket) => {
      this.#connections.add(socket);
      socket.on('close', () => this.#connections.delete(socket));
    });
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket as Socket, head));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject).listen(this.socketPath, resolve);
    await promise;
    this.#server = server;
  }

  /** As if it were killed: connections break, nobody listens. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const socket of this.#connections) socket.destroy();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const [route, request] = await this.#understand(message);
      const answer = this.answers[route.id as RouteId];
      if (!answer) throw new Error(`the test gives no answer to ${route.id}`);
      const content = await answer(request);
      if (route.kind === 'sse') await sendEvents(response, route, content as AsyncIterable<FakeEvent>);
      else sendContent(response, route, content);
    } catch (cause) {
      sendProblem(response, cause);
    }
  }

  #upgrade(message: IncomingMessage, socket: Socket, head: Buffer): void {
    const server = new WebSocketServer({ noServer: true });
    server.handleUpgrade(message, socket, head, (webSocket) => {
      this.#understand(message)
        .then(([route, request]) => this.answers[route.id as RouteId]?.(request, webSocket))
        .catch(() => webSocket.terminate());
    });
  }

  async #understand(message: IncomingMessage): Promise<[Route, FakeRequest]> {
    const url = new URL(message.url ?? '/', 'http://corral');
    const [route, params] = findRoute(message.method ?? '', url.pathname);
    const body = await readBody(message, route);
    const query = route.query?.parse(Object.fromEntries(url.searchParams)) ?? {};
    route.params?.parse(params);
    const request: FakeRequest = {
      route: route.id,
      params,
      query: query as Record<string, unknown>,
      body,
      headers: message.headers,
    };
    this.requests.push(request);
    return [route, request];
  }
}

function findRoute(method: string, pathname: string): [Route, Record<string, string>] {
  for (const route of allRoutes()) {
    const pattern = route.path.replaceAll('.', '\\.').replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)');
    const match = new RegExp(`^${pattern}$`).exec(pathname);
    if (!match || route.method !== method) continue;
    const params = Object.entries(match.groups ?? {}).map(([name, text]) => [name, decodeURIComponent(text)]);
    return [route, Object.fromEntries(params)];
  }
  throw new Error(`the contract has no ${method} ${pathname}`);
}

async function readBody(message: IncomingMessage, route: Route): Promise<unknown> {
  const pieces: Buffer[] = [];
  for await (const piece of message) pieces.push(piece as Buffer);
  const bytes = Buffer.concat(pieces);
  if (route.body === 'bytes') return bytes;
  return route.body?.parse(JSON.parse(bytes.toString('utf8')));
}

function sendContent(response: ServerResponse, route: Route, content: unknown): void {
  if (route.kind === 'bytes' || route.kind === 'text') {
    response.writeHead(route.status, { 'content-type': route.mediaType ?? 'application/octet-stream' });
    response.end(content);
    return;
  }
  response.writeHead(route.status, { 'content-type': 'application/json' });
  response.end(route.status === 204 ? undefined : JSON.stringify(route.response?.parse(content)));
}

async function sendEvents(
  response: ServerResponse,
  route: Route,
  events: AsyncIterable<FakeEvent>,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  try {
    for await (const { id, data } of events) {
      response.write(`id: ${id}\ndata: ${JSON.stringify(route.response?.parse(data))}\n\n`);
    }
    response.end('event: end\ndata:\n\n');
  } catch {
    // The test broke the stream on purpose.
    response.destroy();
  }
}

function sendProblem(response: ServerResponse, cause: unknown): void {
  const problem = Problem.parse(problemOf(cause));
  response.writeHead(problem.status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify(problem));
}
