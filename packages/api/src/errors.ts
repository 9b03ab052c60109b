/**
 * Errors of HTTP itself. Those of a resource stand with the package that raises them; the routes name them by code.
 */
import { defineErrors, error } from '@corral/core/errors';

export const apiErrors = defineErrors('api', {
  'invalid-request': error<{ issues: readonly string[] }>(
    400,
    'The request is not valid',
    (p) => `The request is not valid: ${p.issues.join('; ')}.`,
  ),
  'request-timeout': error(
    408,
    'The request did not come in time',
    () => 'The request was not complete in time. Send it again, without a pause in its headers or its body.',
  ),
  'headers-too-large': error<{ limitBytes: number }>(
    431,
    'The headers are too large',
    (p) => `The headers of the request are longer than ${p.limitBytes} bytes. Send fewer or shorter ones.`,
  ),
  'malformed-json': error<{ reason: string }>(
    400,
    'The body is not JSON',
    (p) => `The body of the request cannot be read as JSON: ${p.reason}.`,
  ),
  unauthenticated: error(
    401,
    'No valid token',
    () =>
      'A valid token is needed: send "Authorization: Bearer TOKEN" (corral --token). It may have expired or been revoked; an administrator makes a new one on the host with "corral token create --role ROLE".',
  ),
  'invalid-ticket': error(
    401,
    'No valid ticket',
    () =>
      'The ticket is unknown, used already, expired, or was given out for another VM or another kind of access. Ask for a new one.',
  ),
  forbidden: error<{ route: string; role: string; needed: string }>(
    403,
    'The role does not allow this',
    (p) =>
      `"${p.route}" needs the role ${p.needed}; this token has the role ${p.role}. Ask an administrator for a token with that role.`,
  ),
  'host-path-forbidden': error<{ fields: readonly string[]; role: string }>(
    403,
    'Only an administrator may name files of the host',
    (p) =>
      `${p.fields.join(', ')} names a file or device of the host, which only an administrator may do; this token has the role ${p.role}. Use an image, or ask an administrator.`,
  ),
  'no-route': error<{ method: string; path: string }>(
    404,
    'No such route',
    (p) => `The API has no ${p.method} ${p.path}. Its description is at /openapi.json.`,
  ),
  'method-not-allowed': error<{ method: string; path: string; allowed: readonly string[] }>(
    405,
    'Not with this method',
    (p) => `${p.path} takes ${p.allowed.join(', ')}, not ${p.method}.`,
  ),
  'history-gone': error<{ what: string; after: string; oldest: string }>(
    410,
    'The history is gone',
    (p) =>
      `${p.what} after ${p.after} cannot be followed: the oldest still kept is ${p.oldest}. List what there is and follow from its end.`,
  ),
  'payload-too-large': error<{ limitBytes: number }>(
    413,
    'The body is too large',
    (p) => `The body of the request is larger than ${p.limitBytes} bytes, which is the limit here.`,
  ),
  'unsupported-media-type': error<{ mediaType: string; expected: string }>(
    415,
    'Wrong media type',
    (p) => `The body has the media type "${p.mediaType}"; send it as ${p.expected}.`,
  ),
  'websocket-expected': error(
    426,
    'A WebSocket is expected',
    () => 'This address speaks WebSocket (RFC 6455) only: ask for an upgrade of the connection.',
  ),
  'precondition-required': error(
    428,
    'If-Match is missing',
    () =>
      'This change needs the header If-Match with the ETag that was read, so that nobody overwrites what somebody else changed meanwhile. "If-Match: *" changes whatever is there.',
  ),
  'rate-limited': error<{ retryAfterSeconds: number }>(
    429,
    'Too many failed logins',
    (p) =>
      `Too many requests with an invalid token came from this address. Try again in ${p.retryAfterSeconds} seconds with a valid one.`,
  ),
  unexpected: error<{ id: string }>(
    500,
    'Unexpected error',
    (p) =>
      `Something went wrong that Corral did not expect. The daemon's log holds the cause under ${p.id}; please report it.`,
  ),
  stopping: error(
    503,
    'The daemon is stopping',
    () => 'The daemon is stopping. Try again once it is up; running VMs are not affected.',
  ),
});
