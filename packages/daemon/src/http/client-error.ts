/** What is not even an HTTP request never reaches a route; it is answered with problem details all the same. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { apiErrors } from '@corral/api/errors';
import type { CorralError } from '@corral/core/errors';
import { problemOf } from './problem-document.ts';

interface ClientError extends Error {
  readonly code?: string;
  /** Of the parser, where it is one. */
  readonly reason?: string;
}

/** For `clientError` of Node's servers: the socket is all there is, and it is closed afterwards. */
export function answerClientError(cause: ClientError, socket: Socket, maxHeaderBytes: number): void {
  // Nobody is there to read it.
  if (cause.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const error = errorOf(cause, maxHeaderBytes);
  const body = JSON.stringify(problemOf(error));
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    'cache-control: no-store',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function errorOf({ code, reason, message }: ClientError, maxHeaderBytes: number): CorralError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return apiErrors['request-timeout']();
  if (code === 'HPE_HEADER_OVERFLOW') return apiErrors['headers-too-large']({ limitBytes: maxHeaderBytes });
  return apiErrors['invalid-request']({ issues: [`it is not HTTP: ${reason ?? message}`] });
}
