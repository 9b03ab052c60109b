/**
 * What a route of the contract is. The table of routes makes the OpenAPI file, the validation of requests, the
 * types of the daemon's handlers and the generated client (docs/architecture.md, invariant 6).
 */
import type { z } from 'zod';
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
  readonly status: 101 | 200 | 201 | 202 | 204;
  /** Of the document; of the data of each event for `sse`. */
  readonly response?: z.ZodType;
  readonly mediaType?: string;
  readonly etag: EtagUse;
  /** Codes from the error registry beside those that `commonErrors` gives. */
  readonly errors: readonly string[];
}

type Specifics<R extends Route> = Omit<R, 'kind' | 'status' | 'etag' | 'errors'> &
  Partial<Pick<R, 'status' | 'etag' | 'errors'>>;

/** Fills in what most routes have alike, and keeps the exact types of the schemas. */
export function route<const R extends Omit<Route, 'etag' | 'errors'> & Partial<Pick<Route, 'etag' | 'errors'>>>(
  given: R,
): R & Route {
  return { etag: 'none', errors: [], ...given };
}

export type { Specifics };

type Output<S> = S extends z.ZodType ? z.output<S> : undefined;
type Input<S> = S extends z.ZodType ? z.input<S> : undefined;
