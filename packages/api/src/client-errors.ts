/** What can go wrong between a client and the daemon. What the daemon itself answers is an `ApiProblem`. */
import { defineErrors, error } from '@corral/core/errors';

export const clientErrors = defineErrors('client', {
  'no-daemon': error<{ endpoint: string }>(
    503,
    'The daemon does not run',
    (p) =>
      `No daemon answers at ${p.endpoint}. Start it ("npm start", or corrald --data DIR), or name another one with --socket or --endpoint.`,
  ),
  'no-right': error<{ endpoint: string }>(
    403,
    'No right to use the socket',
    (p) =>
      `The socket ${p.endpoint} belongs to the host's administrator. Use sudo, or --endpoint URL with --token.`,
  ),
  'untrusted-certificate': error<{ endpoint: string; reason: string }>(
    502,
    "The daemon's certificate is not trusted",
    (p) =>
      `The certificate of ${p.endpoint} is not trusted (${p.reason}). Copy tls/ca.pem from the data directory of that daemon and name it with --ca FILE.`,
  ),
  unreachable: error<{ endpoint: string; reason: string }>(
    503,
    'The daemon cannot be reached',
    (p) =>
      `${p.endpoint} cannot be reached: ${p.reason}. Check the address, the network, and that corrald runs.`,
  ),
  'bad-endpoint': error<{ endpoint: string }>(
    400,
    'Not an endpoint',
    (p) => `"${p.endpoint}" is not an endpoint. Write https://HOST:PORT.`,
  ),
  'bad-answer': error<{ endpoint: string; reason: string }>(
    502,
    'The answer is not one of corrald',
    (p) => `${p.endpoint} answered what corrald does not: ${p.reason}. Check the address.`,
  ),
});
