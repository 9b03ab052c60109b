/** Who asks: by the socket through which the request came, or by its token. */
import { apiErrors } from '@corral/api/errors';
import { includesRole } from '@corral/api/roles';
import type { Route } from '@corral/api/route';
import type { Caller } from '../services.ts';
import type { FailedLogins } from './failed-logins.ts';

export interface Credentials {
  /** The header Authorization. */
  readonly authorization: string | undefined;
  /** Of the other side; for counting failures. */
  readonly address: string;
}

/** @throws api.unauthenticated, api.rate-limited */
export type Authenticate = (credentials: Credentials) => Promise<Caller>;

/** Whoever may open the socket (mode 0600) is the host's administrator; a token changes nothing about that. */
export const authenticateSocket: Authenticate = async () => ({ name: 'socket', role: 'administrator' });

export interface TokenCheck {
  /** @returns who has the token; null when it is unknown, expired or revoked */
  verify(token: string): Promise<Caller | null>;
}

export function authenticateToken(tokens: TokenCheck, failures: FailedLogins): Authenticate {
  return async ({ address, authorization }) => {
    // The scheme is case-insensitive (RFC 9110 section 11.1).
    const token = /^bearer +([^\s]{1,256})$/i.exec(authorization ?? '')?.[1];
    const caller = token === undefined ? null : await tokens.verify(token);
    if (caller) return caller;
    // No token at all is a question, not an attempt.
    const wait = authorization === undefined ? null : failures.note(address);
    if (wait !== null) throw apiErrors['rate-limited']({ retryAfterSeconds: wait });
    throw apiErrors.unauthenticated();
  };
}

/** @throws api.forbidden */
export function authorize(route: Route, caller: Caller): void {
  if (route.role === 'none' || includesRole(caller.role, route.role)) return;
  throw apiErrors.forbidden({ route: route.id, role: caller.role, needed: route.role });
}
