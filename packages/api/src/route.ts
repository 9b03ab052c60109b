/**
 * What a route of the contract is. The table of routes makes the OpenAPI file, the validation of requests, the
 * types of the daemon's handlers and the generated client (docs/architecture.md, invariant 6).
 */
import type { z } from 'zod';
import type { ContractError } from './error-statuses.ts';
import type { Role } from './roles.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/**
 * What comes back:
 * - `json`: one document, or nothing with status 204
 * - `operation`: 202 with the operation and its address in `Location` (invariant 2)
 * - `sse`: server-sent events that are taken up again with `Last-Event-ID`
 * - `websocket`: binary frames; a ticket in the query stands for the token
 * - `bytes`: application/octet-stream
 * - `text`: text for people or other programs
 */
export type RouteKind = 'json' | 'operation' | 'sse' | 'websocket' | 'bytes' | 'text';

/**
 * The ETag is the generation of the resource's settings. `returned`: in the answer. `required`: the request must
 * carry it in If-Match, or `*` to say that any will do. State and figures change without it.
 */
export type EtagUse = 'none' | 'returned' | 'required';

export interface Route {
  /** Resource and verb, never changes: `vm.disk.add`. */
  readonly id: string;
  readonly method: Method;
  /** As OpenAPI writes it: `/v1/vms/{vm}`. */
  readonly path: string;
  /** One line, imperative. */
  readonly summary: string;
  readonly description?: string;
  /** The least role that may call it; `none` needs no token. */
  readonly role: Role | 'none';
  readonly kind: RouteKind;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  /** Schema of the JSON body, or `bytes` for a stream of octets. */
  readonly body?: z.ZodType | 'bytes';
  /** Where it is not the 2 MiB of a JSON body. */
  readonly maxBodyBytes?: number;
  readonly status: 101 | 200 | 201 | 202 | 204;
  /** Of the document; of the data of each event for `sse`. */
  readonly response?: z.ZodType;
  readonly mediaType?: string;
  readonly etag: EtagUse;
  /** Codes from the error registry beside those that `commonErrors` gives. */
  readonly errors: readonly ContractError[];
}

interface RouteDefaults {
  readonly etag: 'none';
  readonly errors: readonly [];
}

type RouteInput = Omit<Route, keyof RouteDefaults> & Partial<Pick<Route, keyof RouteDefaults>>;

/** Fills in what most routes have alike, and keeps the exact types of the schemas. */
export function route<const R extends RouteInput>(given: R): R & Omit<RouteDefaults, keyof R> {
  return { etag: 'none', errors: [], ...given };
}

/** What a handler gets for a part of the request; undefined when the route has no such part. */
export type ParsedPart<R, Part extends 'params' | 'query' | 'body'> = R extends {
  readonly [K in Part]: infer S extends z.ZodType;
}
  ? z.output<S>
  : undefined;

/** What a caller gives for a part of the request; undefined when the route has no such part. */
export type GivenPart<R, Part extends 'params' | 'query' | 'body'> = R extends {
  readonly [K in Part]: infer S extends z.ZodType;
}
  ? z.input<S>
  : undefined;

/** The document that the route answers with, or the data of each event. */
export type ResponseOf<R> = R extends { readonly response: infer S extends z.ZodType }
  ? z.output<S>
  : undefined;

/** Errors that every route of this form can answer with, beside its own. */
export function commonErrors(route: Route): readonly ContractError[] {
  const codes: ContractError[] = ['api.unexpected', 'api.stopping'];
  if (route.params || route.query || route.body) codes.push('api.invalid-request');
  if (route.kind === 'websocket') codes.push('api.invalid-ticket', 'api.websocket-expected');
  else if (route.role !== 'none') codes.push('api.unauthenticated', 'api.rate-limited');
  if (route.kind !== 'websocket' && route.role !== 'none' && route.role !== 'viewer')
    codes.push('api.forbidden');
  if (route.body) codes.push('api.payload-too-large', 'api.unsupported-media-type');
  if (route.body && route.body !== 'bytes') codes.push('api.malformed-json');
  if (route.etag === 'required') codes.push('api.precondition-required');
  return codes;
}
