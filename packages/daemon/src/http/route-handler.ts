/** From a request to the answer of its handler, as the table of routes says: rights, parts, preconditions, form. */
import type { Duplex } from 'node:stream';
import { Readable } from 'node:stream';
import { apiErrors } from '@corral/api/errors';
import type { Route } from '@corral/api/route';
import type { Operation } from '@corral/api/schemas/operation';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../services.ts';
import { type Authenticate, authorize } from './authenticate.ts';
import { jsonBodyLimit, limitBytes } from './body.ts';
import { etagOf, parseIfMatch } from './etag.ts';
import { writeEventStream } from './event-stream.ts';
import type { AnyHandler, ByteAnswer, StreamMessage, TextAnswer } from './handler.ts';
import { RequestCall, requestSignal } from './request-call.ts';
import { parsePart } from './validate.ts';

export interface RouteContext {
  readonly authenticate: Authenticate;
  /** Aborts when the daemon stops: streams end then. */
  readonly stopping: AbortSignal;
  /** Checks answers against the contract. For tests: it costs time and helps no client. */
  readonly checkResponses: boolean;
}

const nobody: Caller = { name: 'anonymous', role: 'viewer' };

/** Who asks, before anything of the request is looked at. */
export async function identify(
  route: Route,
  request: FastifyRequest,
  context: RouteContext,
): Promise<Caller> {
  if (route.role === 'none') return nobody;
  if (route.kind === 'websocket') {
    requireUpgrade(request);
    return nobody;
  }
  const { authorization } = request.headers;
  const caller = await context.authenticate({ authorization, address: request.ip });
  authorize(route, caller);
  return caller;
}

/** The handler checks the ticket itself, since only it knows the VM; one that is missing is no malformed request. */
function requireUpgrade(request: FastifyRequest): void {
  const { ticket } = request.query as { readonly ticket?: unknown };
  if (ticket === undefined) throw apiErrors['invalid-ticket']();
  if (!request.ws) throw apiErrors['websocket-expected']();
}

export function callOf(
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  caller: Caller,
  context: RouteContext,
): RequestCall {
  const lastEventId = request.headers['last-event-id'];
  const parts = {
    params: parsePart('params', route.params, request.params),
    query: parsePart('query', route.query, request.query),
    body: bodyOf(route, request),
    caller,
    expectedGeneration: route.etag === 'required' ? parseIfMatch(request.headers['if-match']) : null,
    lastEventId: typeof lastEventId === 'string' && lastEventId !== '' ? lastEventId : null,
  };
  return new RequestCall(parts, () => requestSignal(request, reply, context.stopping));
}

function bodyOf(route: Route, request: FastifyRequest): unknown {
  if (route.body !== 'bytes') return parsePart('body', route.body, request.body);
  const limit = route.maxBodyBytes ?? jsonBodyLimit;
  if (Number(request.headers['content-length'] ?? 0) > limit) {
    throw apiErrors['payload-too-large']({ limitBytes: limit });
  }
  if (request.body instanceof Readable) return limitBytes(request.body, limit);
  // Without a body there is no media type, and no stream.
  if (request.body === undefined) return Readable.from([]);
  const mediaType = request.headers['content-type'] ?? 'none';
  throw apiErrors['unsupported-media-type']({ mediaType, expected: 'application/octet-stream' });
}

export async function answer(
  route: Route,
  handler: AnyHandler,
  call: RequestCall,
  reply: FastifyReply,
  context: RouteContext,
): Promise<FastifyReply> {
  const result = await handler(call);
  reply.code(route.status);
  switch (route.kind) {
    case 'operation':
      reply.header('location', `/v1/operations/${(result as Operation).id}`);
      return sendJson(route, result, reply, context);
    case 'json':
      return sendJson(route, result, reply, context);
    case 'sse':
      return sendStream(result as AsyncIterable<StreamMessage<unknown>>, call, reply);
    case 'bytes':
      return sendBytes(result as ByteAnswer, reply);
    case 'text': {
      const { mediaType, text } = result as TextAnswer;
      return reply.type(mediaType).send(text);
    }
    case 'websocket':
      throw new Error(`${route.id} was not upgraded`);
  }
}

/** The stream that an upgraded connection will carry. */
export async function openStream(handler: AnyHandler, call: RequestCall): Promise<Duplex> {
  return (await handler(call)) as Duplex;
}

function sendJson(route: Route, result: unknown, reply: FastifyReply, context: RouteContext): FastifyReply {
  if (context.checkResponses) route.response?.parse(result);
  if (route.status === 204) return reply.send();
  if (route.etag === 'returned') {
    reply.header('etag', etagOf((result as { readonly generation: number }).generation));
  }
  return reply.send(result);
}

async function sendStream(
  messages: AsyncIterable<StreamMessage<unknown>>,
  call: RequestCall,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { signal } = call;
  reply.hijack();
  await writeEventStream(reply.raw, messages, signal);
  return reply;
}

function sendBytes(bytes: ByteAnswer, reply: FastifyReply): FastifyReply {
  if (bytes.sizeBytes !== null) reply.header('content-length', bytes.sizeBytes);
  return reply.type('application/octet-stream').send(Readable.from(bytes.content));
}
