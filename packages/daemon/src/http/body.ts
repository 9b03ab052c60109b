/** Bodies: JSON in memory within a limit, octets as a stream within a limit. */
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
export async function* limitBytes(
  stream: AsyncIterable<Uint8Array>,
  limitBytes: number,
): AsyncGenerator<Uint8Array> {
  let sum = 0;
  for await (const piece of stream) {
    sum += piece.length;
    if (sum > limitBytes) throw apiErrors['payload-too-large']({ limitBytes });
    yield piece;
  }
}
