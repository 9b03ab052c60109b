/** What a handler of a route gets and gives back. A route without a handler does not compile. */
import type { Duplex } from 'node:stream';
import type { ParsedPart, ResponseOf, Route } from '@corral/api/route';
import type { RouteId, Routes } from '@corral/api/routes';
import type { Caller } from '../services.ts';
import type { CallParts } from './request-call.ts';

export interface Call<R extends Route> {
  readonly params: ParsedPart<R, 'params'>;
  readonly query: ParsedPart<R, 'query'>;
  readonly body: R['body'] extends 'bytes' ? AsyncIterable<Uint8Array> : ParsedPart<R, 'body'>;
  readonly caller: Caller;
  /** From If-Match where the route requires it; null is `*`, and elsewhere. */
  readonly expectedGeneration: number | null;
  /** From Last-Event-ID where the route is a stream. */
  readonly lastEventId: string | null;
  /** Aborts when the client goes away or the daemon stops. */
  readonly signal: AbortSignal;
}

/** One message of a stream; `id` comes back as Last-Event-ID. */
export interface StreamMessage<T> {
  readonly id: string;
  readonly event: string;
  readonly data: T;
}

export interface ByteAnswer {
  readonly sizeBytes: number | null;
  readonly content: AsyncIterable<Uint8Array>;
}

export interface TextAnswer {
  readonly mediaType: string;
  readonly text: string;
}

interface Answers<R extends Route> {
  readonly json: ResponseOf<R>;
  readonly operation: ResponseOf<R>;
  readonly sse: AsyncIterable<StreamMessage<ResponseOf<R>>>;
  readonly websocket: Duplex;
  readonly bytes: ByteAnswer;
  readonly text: TextAnswer;
}

export type Handler<R extends Route> = (call: Call<R>) => Promise<Answers<R>[R['kind']]>;

export type Handlers = { readonly [Id in RouteId]: Handler<Routes[Id]> };

/** The handlers of the routes whose ids begin with a prefix: what one file of routes/ makes. */
export type HandlersOf<Prefix extends string> = Pick<Handlers, Extract<RouteId, `${Prefix}.${string}`>>;

/** A handler whose route is not known to the compiler any more: the server matches them by id. */
export type AnyHandler = (call: CallParts & { readonly signal: AbortSignal }) => Promise<unknown>;
