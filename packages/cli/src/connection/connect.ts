/** From an endpoint to the transport of the client. */
import { socketTransport, type Transport, tlsTransport } from '@corral/api/transport';
import { cliErrors } from '../errors.ts';
import { reasonOf } from '../files.ts';
import type { Endpoint } from './endpoint.ts';

/** @throws client.bad-endpoint; cli.file when the file with the certificates cannot be read */
export function connectTo(endpoint: Endpoint): Transport {
  if (endpoint.kind === 'socket') return socketTransport(endpoint.path);
  const { url, token, caFile } = endpoint;
  try {
    return tlsTransport({
      endpoint: url,
      ...(token !== undefined && { token }),
      ...(caFile !== undefined && { caFile }),
    });
  } catch (cause) {
    if (caFile === undefined || !(cause instanceof Error && 'syscall' in cause)) throw cause;
    throw cliErrors.file(
      { path: caFile, action: 'read certificates from', reason: reasonOf(cause) },
      { cause },
    );
  }
}
