/** What the generated client calls: one function for each form of answer. */
import type { Duplex } from 'node:stream';
import { delay, withLimit } from '@corral/core/abort';
import { ApiProblem } from './api-problem.ts';
import { clientErrors } from './client-errors.ts';
import type { Bytes, CallOptions, ChangeOptions, FollowOptions } from './client-types.ts';
import type { Problem } from './schemas/problem.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';

export interface CallTarget {
  readonly method: string;
  /** Parameters filled in. */
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly bytes?: Bytes;
  readonly mediaType?: string;
}

const defaultLimitMs = 60_000;
const firstRetryMs = 100;
const longestRetryMs = 3_000;

export class Caller {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async json<T>(target: CallTarget, options: CallOptions | ChangeOptions): Promise<T> {
    return this.#limited(target, options, async (signal) => {
      const response = await this.#send(target, options, signal, 'application/json');
      const text = await readText(response);
      if (response.status === 204) return undefined as T;
      try {
        return JSON.parse(text) as T;
      } catch (cause) {
        throw this.#badAnswer('it is not JSON', cause);
      }
    });
  }

  text(target: CallTarget, options: CallOptions): Promise<string> {
    return this.#limited(target, options, async (signal) =>
      readText(await this.#send(target, options, signal, '*/*')),
    );
  }

  /** The limit holds until the first byte; a signal ends the rest too. */
  async bytes(target: CallTarget, options: CallOptions): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.#limited(target, options, (signal) =>
      this.#send(target, options, anySignal(options.signal, signal), 'application/octet-stream'),
    );
    return response.body;
  }

  websocket(target: CallTarget, options: CallOptions): Promise<Duplex> {
    const path = pathOf(target);
    return this.#limited(target, options, (signal) =>
      this.#transport.websocket(path, async (response) => this.#problem(response), signal),
    );
  }

  /**
   * Events until the daemon says `end` or the signal aborts. When the connection breaks it is opened again with
   * Last-Event-ID, so nothing is missed and nothing comes twice.
   *
   * @throws ApiProblem when the daemon refuses; the last failure when it stays away for `giveUpMs`
   */
  async *follow<T>(target: CallTarget, options: FollowOptions): AsyncGenerator<T> {
    const { giveUpMs = defaultLimitMs, onBreak, signal } = options;
    let lastId: string | null = null;
    let retryMs = firstRetryMs;
    let brokenSince: number | null = null;
    for (;;) {
      try {
        for await (const message of this.#messages(target, options, lastId)) {
          [brokenSince, retryMs] = [null, firstRetryMs];
          if (message.event === 'end') return;
          lastId = message.id ?? lastId;
          if (message.data !== '') yield JSON.parse(message.data) as T;
        }
        throw clientErrors.unreachable({ endpoint: this.#transport.endpoint, reason: 'the stream ended' });
      } catch (cause) {
        signal?.throwIfAborted();
        if (cause instanceof ApiProblem && cause.status < 500) throw cause;
        brokenSince ??= performance.now();
        if (performance.now() - brokenSince >= giveUpMs) throw cause;
        onBreak?.(cause);
        await delay(retryMs, signal);
        retryMs = Math.min(retryMs * 2, longestRetryMs);
      }
    }
  }

  async *#messages(
    target: CallTarget,
    options: FollowOptions,
    lastId: string | null,
  ): AsyncGenerator<{ event: string | undefined; id: string | undefined; data: string }> {
    const { createParser } = await import('eventsource-parser');
    const stop = new AbortController();
    const signal = anySignal(options.signal, stop.signal);
    try {
      const headers = lastId === null ? {} : { 'last-event-id': lastId };
      const response = await this.#limited(target, options, () =>
        this.#send(target, options, signal, 'text/event-stream', headers),
      );
      const queue: { event: string | undefined; id: string | undefined; data: string }[] = [];
      const parser = createParser({
        onEvent: ({ event, id, data }) => queue.push({ event, id, data }),
      });
      const decoder = new TextDecoder();
      for await (const piece of response.body) {
        parser.feed(decoder.decode(piece, { stream: true }));
        yield* queue.splice(0);
      }
    } finally {
      stop.abort();
    }
  }

  #limited<T>(
    target: CallTarget,
    options: CallOptions,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const what = `${target.method} ${target.path} at ${this.#transport.endpoint}`;
    return withLimit(what, options.limitMs ?? defaultLimitMs, options.signal, work);
  }

  async #send(
    target: CallTarget,
    options: CallOptions | Partial<ChangeOptions>,
    signal: AbortSignal,
    accept: string,
    extra: Readonly<Record<string, string>> = {},
  ): Promise<TransportResponse> {
    const headers: Record<string, string> = { accept, ...extra };
    const request: TransportRequest = { method: target.method, path: pathOf(target), headers, signal };
    if ('ifMatch' in options && options.ifMatch !== undefined) {
      headers['if-match'] = options.ifMatch === '*' ? '*' : `"${options.ifMatch}"`;
    }
    const response = await this.#transport.request(withBody(request, target, headers));
    if (response.status >= 200 && response.status < 300) return response;
    throw await this.#problem(response);
  }

  async #problem(response: TransportResponse): Promise<Error> {
    const text = await readText(response);
    if (String(response.headers['content-type']).startsWith('application/problem+json')) {
      return new ApiProblem(JSON.parse(text) as Problem);
    }
    return this.#badAnswer(`status ${response.status}`);
  }

  #badAnswer(reason: string, cause?: unknown): Error {
    return clientErrors['bad-answer']({ endpoint: this.#transport.endpoint, reason }, { cause });
  }
}

function anySignal(given: AbortSignal | undefined, own: AbortSignal): AbortSignal {
  return given ? AbortSignal.any([given, own]) : own;
}

function withBody(
  request: TransportRequest,
  target: CallTarget,
  headers: Record<string, string>,
): TransportRequest {
  if (target.bytes !== undefined) {
    headers['content-type'] = 'application/octet-stream';
    return { ...request, body: target.bytes };
  }
  if (target.body === undefined) return request;
  headers['content-type'] = target.mediaType ?? 'application/json';
  return { ...request, body: JSON.stringify(target.body) };
}

function pathOf({ path, query = {} }: CallTarget): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.append(name, String(value));
  }
  return search.size === 0 ? path : `${path}?${search}`;
}

async function readText(response: TransportResponse): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const piece of response.body) text += decoder.decode(piece, { stream: true });
  return text + decoder.decode();
}

/** Every item of a list, page after page: `eachItem((after) => client.vm.list({ after }))`. */
export async function* eachItem<Item>(
  page: (after: string | undefined) => Promise<{ items: readonly Item[]; next: string | null }>,
): AsyncGenerator<Item> {
  let after: string | undefined;
  for (;;) {
    const { items, next } = await page(after);
    yield* items;
    if (next === null) return;
    after = next;
  }
}
