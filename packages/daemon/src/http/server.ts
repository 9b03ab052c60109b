/**
 * An HTTP server made from the table of routes:
 *
 *   identify (token, role) → parse (params, query, body, If-Match) → handler → answer in the route's form
 *                       └────────────────────┴──────────┴──▶ problem details
 *
 * There is one such server for each listener, since how a caller is known depends on the listener.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { apiErrors } from '@corral/api/errors';
import type { Route } from '@corral/api/route';
import { routes } from '@corral/api/routes';
import type { Logger } from '@corral/host/logger';
import websocketPlugin from '@fastify/websocket';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { WebSocket } from 'ws';
import type { Caller } from '../services.ts';
import type { Authenticate } from './authenticate.ts';
import { addBodyParsers, drainUnread, jsonBodyLimit } from './body.ts';
import { answerClientError } from './client-error.ts';
import type { AnyHandler, Handlers } from './handler.ts';
import { problemReply } from './problem-document.ts';
import { answer, callOf, identify, openStream, type RouteContext } from './route-handler.ts';
import { bridge } from './websocket-bridge.ts';

export interface RequestRecord {
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly durationMs: number;
}

export interface ServerOptions {
  readonly handlers: Handlers;
  readonly authenticate: Authenticate;
  readonly log: Logger;
  /** Aborts when the daemon stops. */
  readonly stopping: AbortSignal;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Called after each request, for metrics. */
  readonly onRequestEnd?: (record: RequestRecord) => void;
  readonly checkResponses?: boolean;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; known once the request has passed `identify`. */
    caller: Caller | null;
    /** What an upgraded connection will carry. */
    stream: { readonly open: Duplex; readonly signal: AbortSignal } | null;
  }
}

const limits = {
  /** Until all headers are there, and until the whole request is. Uploads into a guest are the longest. */
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 300_000,
  keepAliveTimeoutMs: 72_000,
  maxHeaderBytes: 16 * 1024,
  maxConnections: 2_000,
  maxFrameBytes: 2 ** 20,
  /** The longest parameter is a key of the data exchange. */
  maxParameterLength: 255,
  /** How often connections are looked through for those past their time. */
  checkIntervalMs: 10_000,
  handshakeTimeoutMs: 10_000,
} as const;

export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const app = createApp(options);
  app.server.maxConnections = limits.maxConnections;
  app.server.headersTimeout = limits.headersTimeoutMs;
  // An expectation that is not known may be passed over (RFC 9110 section 10.1.1); Node would answer without a problem.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  app.decorateRequest('caller', null);
  app.decorateRequest('stream', null);
  await app.register(websocketPlugin, {
    options: { maxPayload: limits.maxFrameBytes, perMessageDeflate: false, handleProtocols },
    errorHandler: (error, socket) => {
      options.log.warn({ err: error }, 'a WebSocket failed');
      socket.terminate();
    },
    preClose: (done) => {
      for (const client of app.websocketServer.clients) client.terminate();
      app.websocketServer.close(() => done());
    },
  });
  app.websocketServer.on('wsClientError', (error: Error, socket: Socket) =>
    answerClientError(error, socket, limits.maxHeaderBytes),
  );
  addBodyParsers(app);
  addHooks(app, options);
  addErrorHandlers(app, options);
  const context: RouteContext = {
    authenticate: options.authenticate,
    stopping: options.stopping,
    checkResponses: options.checkResponses ?? false,
  };
  for (const [id, route] of Object.entries(routes) as [keyof Handlers, Route][]) {
    addRoute(app, route, options.handlers[id] as AnyHandler, context, options.log);
  }
  return app;
}

/** Routes check with the contract's own schemas; Fastify's compilers would be memory that nothing uses. */
const noCompilers = { buildValidator: neverCompiles, buildSerializer: neverCompiles };

function neverCompiles(): never {
  throw new Error(
    'A route was given to Fastify with a schema; they belong into the contract (packages/api).',
  );
}

function createApp({ tls, log }: ServerOptions): FastifyInstance {
  const common = {
    logger: false,
    bodyLimit: jsonBodyLimit,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    return503OnClosing: false,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: limits.maxParameterLength },
    clientErrorHandler: (error: Error, socket: Socket) =>
      answerClientError(error, socket, limits.maxHeaderBytes),
    schemaController: { compilersFactory: noCompilers },
    frameworkErrors: (error: Error, _request: unknown, reply: FastifyReply) => sendProblem(error, reply, log),
  } as const;
  const http = {
    maxHeaderSize: limits.maxHeaderBytes,
    connectionsCheckingInterval: limits.checkIntervalMs,
    // Node's own answer would be no problem document.
    requireHostHeader: false,
    shouldUpgradeCallback: opensWebSocket,
  };
  if (!tls) return fastify({ ...common, http });
  const https = {
    ...http,
    ...tls,
    minVersion: 'TLSv1.2' as const,
    handshakeTimeout: limits.handshakeTimeoutMs,
  };
  return fastify({ ...common, https }) as unknown as FastifyInstance;
}

/** Any other wish to upgrade is passed over, and the request answered as it stands (RFC 9110 section 7.8). */
function opensWebSocket({ headers, method, url = '' }: IncomingMessage): boolean {
  const path = url.split('?', 1)[0]!;
  const wanted = method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
  return wanted && patterns.some(({ isWebSocket, pattern }) => isWebSocket && pattern.test(path));
}

/** noVNC offers `binary`, and expects it chosen. */
function handleProtocols(offered: Set<string>): string | false {
  return offered.has('binary') ? 'binary' : false;
}

function addHooks(app: FastifyInstance, { log, onRequestEnd, stopping }: ServerOptions): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store');
    reply.header('x-content-type-options', 'nosniff');
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1') {
      throw apiErrors['invalid-request']({ issues: ['the header Host is missing'] });
    }
    if (!stopping.aborted) return;
    reply.header('connection', 'close');
    throw apiErrors.stopping();
  });
  app.addHook('onResponse', async (request, reply) => {
    drainUnread(request.raw);
    const record = {
      route: routeIdOf(request),
      method: request.method,
      status: reply.raw.statusCode,
      durationMs: reply.elapsedTime,
    };
    onRequestEnd?.(record);
    const context = { ...record, requestId: request.id, caller: request.caller?.name ?? null };
    // What changes something is worth a line; what only asks would drown it.
    if (request.method === 'GET') log.debug(context, 'request');
    else log.info(context, 'request');
  });
}

interface RouteConfig {
  readonly routeId?: string;
}

function routeIdOf(request: FastifyRequest): string {
  return (request.routeOptions.config as RouteConfig).routeId ?? 'none';
}

function addErrorHandlers(app: FastifyInstance, { log }: ServerOptions): void {
  app.setErrorHandler((thrown, _request, reply) => sendProblem(thrown, reply, log));
  app.setNotFoundHandler((request, reply) => {
    const { method } = request;
    const path = request.url.split('?', 1)[0]!;
    const allowed = methodsOf(path);
    if (allowed.length === 0) return sendProblem(apiErrors['no-route']({ method, path }), reply, log);
    reply.header('allow', allowed.join(', '));
    return sendProblem(apiErrors['method-not-allowed']({ method, path, allowed }), reply, log);
  });
}

const patterns = Object.values(routes).map((route: Route) => {
  const path = route.path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+');
  const isWebSocket = route.kind === 'websocket';
  return { method: route.method, pattern: new RegExp(`^${path}$`), isWebSocket };
});

function methodsOf(path: string): string[] {
  const matching = patterns.filter(({ pattern }) => pattern.test(path));
  return [...new Set(matching.map(({ method }) => method))];
}

function sendProblem(thrown: unknown, reply: FastifyReply, log: Logger): FastifyReply {
  const mediaType = reply.request.headers['content-type'];
  const { problem, unexpected } = problemReply(thrown, { mediaType, bodyLimitBytes: jsonBodyLimit });
  if (unexpected !== null) log.error({ err: unexpected, instance: problem.instance }, 'a request failed');
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="corral"');
  if (problem.status === 426) reply.header('upgrade', 'websocket');
  const wait = problem.params['retryAfterSeconds'];
  if (typeof wait === 'number') reply.header('retry-after', wait);
  return reply.code(problem.status).type('application/problem+json').send(problem);
}

function addRoute(
  app: FastifyInstance,
  route: Route,
  handler: AnyHandler,
  context: RouteContext,
  log: Logger,
): void {
  const common = {
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    config: { routeId: route.id } satisfies RouteConfig,
    onRequest: async (request: FastifyRequest) => {
      request.caller = await identify(route, request, context);
    },
  };
  const call = (request: FastifyRequest, reply: FastifyReply) =>
    callOf(route, request, reply, request.caller!, context);
  if (route.kind !== 'websocket') {
    app.route({
      ...common,
      handler: (request, reply) => answer(route, handler, call(request, reply), reply, context),
    });
    return;
  }
  app.route({
    ...common,
    // Opened before the upgrade, so that what stands against it is still an HTTP answer.
    preHandler: async (request, reply) => {
      const opening = call(request, reply);
      const { signal } = opening;
      request.stream = { open: await openStream(handler, opening), signal };
      // A connection that ends before it is upgraded must not leave the stream open.
      const { open } = request.stream;
      request.raw.socket.once('close', () => open.destroy());
    },
    handler: () => {
      throw apiErrors['websocket-expected']();
    },
    wsHandler: async (socket: WebSocket, request: FastifyRequest) => {
      const { open, signal } = request.stream!;
      await bridge(socket, open, signal);
      log.debug({ route: route.id, caller: request.caller?.name }, 'WebSocket ended');
    },
  });
}
