/** What the generated client takes and returns, read off the table of routes. Types only. */
import type { GivenPart, ResponseOf } from './route.ts';
import type { RouteId, Routes } from './routes.ts';

export type Query<Id extends RouteId> = GivenPart<Routes[Id], 'query'>;
export type Body<Id extends RouteId> = GivenPart<Routes[Id], 'body'>;
export type Result<Id extends RouteId> = ResponseOf<Routes[Id]>;

export type Bytes = Uint8Array | AsyncIterable<Uint8Array>;

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Until the answer is complete; for streams until it begins. In ms; default one minute. */
  readonly limitMs?: number;
}

export interface FollowOptions extends CallOptions {
  /** How long a broken stream may stay broken before that is an error. In ms; default one minute. */
  readonly giveUpMs?: number;
  /** Called when the stream broke and is about to be taken up again. */
  readonly onBreak?: (cause: unknown) => void;
}

export interface ChangeOptions extends CallOptions {
  /** The generation that was read; `*` changes whatever is there. */
  readonly ifMatch: number | '*';
}
