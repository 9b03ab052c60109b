/** Bodies: JSON in memory within a limit, octets as a stream within a limit. */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { apiErrors } from '@corral/api/errors';
import type { FastifyInstance } from 'fastify';

/** The largest JSON body: user data of cloud-init or the standard input of a program, with room around it. */
export const jsonBodyLimit = 2 * 2 ** 20;

export function addBodyParsers(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'string' },
    (request, text, done) => {
      // A client that always names a media type has said nothing by an empty body.
      if (text === '') done(null, undefined);
      else parseJson(request, text as string, done);
    },
  );
  app.addContentTypeParser('application/octet-stream', (_request, stream, done) => done(null, stream));
}

/** @throws api.payload-too-large as soon as more than `limitBytes` have come */
export async function* limitBytes(stream: Readable, limitBytes: number): AsyncGenerator<Uint8Array> {
  let sum = 0;
  // A request that is destroyed is not read on, and then the client may never come to read its answer.
  for await (const piece of stream.iterator({ destroyOnReturn: false })) {
    sum += piece.length;
    if (sum > limitBytes) throw apiErrors['payload-too-large']({ limitBytes });
    yield piece;
  }
}

/** How long the rest of a body is read after its answer was sent. */
const lingerMs = 2_000;

/**
 * Reads and forgets what a client still sends after it has been answered: closing at once would reset the connection,
 * and the answer with it. Who sends on for too long is cut off.
 */
export function drainUnread(request: IncomingMessage): void {
  if (request.complete || request.readableEnded) return;
  const cut = setTimeout(() => request.destroy(), lingerMs);
  request.once('end', () => clearTimeout(cut));
  request.once('close', () => clearTimeout(cut));
  request.resume();
}
