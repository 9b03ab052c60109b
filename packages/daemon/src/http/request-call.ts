/** One request as its handler sees it. The signal is made when somebody asks for it: most requests need none. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../services.ts';

export interface CallParts {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly caller: Caller;
  readonly expectedGeneration: number | null;
  readonly lastEventId: string | null;
}

export class RequestCall implements CallParts {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly caller: Caller;
  readonly expectedGeneration: number | null;
  readonly lastEventId: string | null;
  readonly #makeSignal: () => AbortSignal;
  #signal: AbortSignal | null = null;

  constructor(parts: CallParts, makeSignal: () => AbortSignal) {
    this.params = parts.params;
    this.query = parts.query;
    this.body = parts.body;
    this.caller = parts.caller;
    this.expectedGeneration = parts.expectedGeneration;
    this.lastEventId = parts.lastEventId;
    this.#makeSignal = makeSignal;
  }

  /** Aborts when the client goes away before it has the answer, or the daemon stops. */
  get signal(): AbortSignal {
    this.#signal ??= this.#makeSignal();
    return this.#signal;
  }
}

export function requestSignal(
  request: FastifyRequest,
  reply: FastifyReply,
  stopping: AbortSignal,
): AbortSignal {
  const gone = new AbortController();
  const { raw } = reply;
  const onClose = (): void => {
    if (!raw.writableFinished) gone.abort(new Error('the client went away'));
  };
  // An upgraded connection has no response that would close; its socket does.
  if (request.ws) request.raw.socket.once('close', onClose);
  else raw.once('close', onClose);
  return AbortSignal.any([gone.signal, stopping]);
}
