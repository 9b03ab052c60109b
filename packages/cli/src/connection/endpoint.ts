/** Which daemon is meant: an option, else a variable of the environment, else the socket of this host. */
import { cliErrors } from '../errors.ts';

export type Endpoint =
  | { readonly kind: 'socket'; readonly path: string }
  | {
      readonly kind: 'tls';
      readonly url: string;
      readonly token: string | undefined;
      readonly caFile: string | undefined;
    };

export interface EndpointOptions {
  readonly socket?: string;
  readonly endpoint?: string;
  readonly token?: string;
  readonly ca?: string;
}

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Sockets to look for when nothing says which, best first. The last is taken when none is there. */
  readonly defaultSockets: readonly [string, ...string[]];
  readonly exists: (path: string) => boolean;
}

/** @throws cli.usage when a socket and an endpoint are both asked for */
export function chooseEndpoint(options: EndpointOptions, around: Surroundings): Endpoint {
  if (options.socket !== undefined || options.endpoint !== undefined) {
    refuseBoth(
      options.socket,
      options.endpoint,
      '--socket and --endpoint name two daemons; give one of them.',
    );
    return endpointOf(options.socket, options.endpoint, options, around);
  }
  // An empty variable counts as one that is not set, as in most shells' scripts.
  const socket = around.env['CORRAL_SOCKET'] || undefined;
  const endpoint = around.env['CORRAL_ENDPOINT'] || undefined;
  refuseBoth(
    socket,
    endpoint,
    'CORRAL_SOCKET and CORRAL_ENDPOINT name two daemons; unset one, or give --socket or --endpoint.',
  );
  return endpointOf(socket, endpoint, options, around);
}

function refuseBoth(socket: string | undefined, endpoint: string | undefined, message: string): void {
  if (socket !== undefined && endpoint !== undefined) {
    throw cliErrors.usage({ message, see: 'corral --help' });
  }
}

function endpointOf(
  socket: string | undefined,
  url: string | undefined,
  options: EndpointOptions,
  around: Surroundings,
): Endpoint {
  if (url?.startsWith('unix:')) return { kind: 'socket', path: url.slice('unix:'.length) };
  if (url !== undefined) {
    return {
      kind: 'tls',
      url,
      token: options.token ?? (around.env['CORRAL_TOKEN'] || undefined),
      caFile: options.ca ?? (around.env['CORRAL_CA'] || undefined),
    };
  }
  return { kind: 'socket', path: socket ?? defaultSocket(around) };
}

function defaultSocket({ defaultSockets, exists }: Surroundings): string {
  return defaultSockets.find(exists) ?? defaultSockets.at(-1)!;
}
