/** The API over doubles, for tests: with answers checked against the contract. */

import { apiErrors } from '@corral/api/errors';
import type { Role } from '@corral/api/roles';
import { EventLog } from '@corral/host/event-log';
import type { Logger } from '@corral/host/logger';
import { openMemoryStore } from '@corral/store/memory-store';
import type { FastifyInstance } from 'fastify';
import { type Authenticate, authenticateSocket } from '../http/authenticate.ts';
import type { Handlers } from '../http/handler.ts';
import { buildServer } from '../http/server.ts';
import { Tickets } from '../http/tickets.ts';
import { Metrics } from '../metrics.ts';
import { allHandlers } from '../routes/handlers.ts';
import { Tokens } from '../tokens.ts';
import { type FakeServices, fakeServices } from './fake-services.ts';

export interface LogLine {
  readonly level: keyof Logger;
  readonly context: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export class LogLines implements Logger {
  readonly lines: LogLine[] = [];
  readonly debug = this.#take('debug');
  readonly info = this.#take('info');
  readonly warn = this.#take('warn');
  readonly error = this.#take('error');

  #take(level: keyof Logger): Logger['info'] {
    return (context, message) => void this.lines.push({ level, context, message });
  }
}

export interface TestDaemon extends AsyncDisposable {
  readonly services: FakeServices;
  readonly handlers: Handlers;
  readonly tokens: Tokens;
  readonly tickets: Tickets;
  readonly events: EventLog;
  readonly metrics: Metrics;
  readonly log: LogLines;
  readonly stopping: AbortController;
}

/** Everything behind a server but the server. Its events are real, over a store in memory. */
export function testDaemon(given: { readonly now?: () => number } = {}): TestDaemon {
  const store = openMemoryStore();
  const log = new LogLines();
  const events = new EventLog({ store, node: 'n1', log });
  const services = fakeServices(events);
  const tokens = new Tokens({ store, events, ...given });
  const tickets = new Tickets(given.now);
  const identity = { name: 'n1', version: '0.1.0' };
  const metrics = new Metrics(log, { version: identity.version, node: process.version });
  const handlers = allHandlers({ services, tokens, tickets, metrics, identity });
  const stopping = new AbortController();
  const close = (): Promise<void> => store.close();
  return {
    services,
    handlers,
    tokens,
    tickets,
    events,
    metrics,
    log,
    stopping,
    [Symbol.asyncDispose]: close,
  };
}

export function testServer(
  { handlers, log, metrics, stopping }: TestDaemon,
  authenticate: Authenticate = authenticateSocket,
): Promise<FastifyInstance> {
  const { onRequestEnd } = metrics;
  return buildServer({
    handlers,
    authenticate,
    log,
    onRequestEnd,
    stopping: stopping.signal,
    checkResponses: true,
  });
}

/** Stands for tokens: `Bearer ROLE` is a caller of that role, anything else is nobody. */
export const authenticateByRole: Authenticate = async ({ authorization }) => {
  const role = /^Bearer (viewer|operator|administrator)$/.exec(authorization ?? '')?.[1];
  if (role === undefined) throw apiErrors.unauthenticated();
  return { name: `test ${role}`, role: role as Role };
};
