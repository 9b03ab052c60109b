import type { Client } from '@corral/api/client.gen';
import type { Endpoint } from '../../connection/endpoint.ts';
import type { Context } from '../../context.ts';
import { write } from '../../io.ts';
import { print, printLine } from '../../output.ts';
import { formatTime } from '../../render/values.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

export const vmDisplay: CommandDefinition = {
  description:
    'Prints the address of a WebSocket that carries the display of a VM (VNC). It holds a ticket: it opens once, within a minute, and needs no token.',
  examples: [
    { command: 'corral vm display web1', explains: 'for a viewer that takes an address, such as noVNC' },
    { command: 'corral vm display web1 -o json', explains: 'the ticket itself' },
  ],
  define: (command, context) => {
    command.argument('<vm>', 'name or id').action(async (vm) => {
      const client = await context.client();
      const ticket = await client.vm.ticket.create(vm, { kind: 'display' }, context.call);
      if (context.output === 'json') return print(context, ticket);
      await printLine(context, socketUrl(await reachable(client, context), ticket.path));
      await write(context.io.stderr, `Opens once, until ${formatTime(ticket.expiresAt)}.\n`);
    });
  },
};

/** Where a viewer can go: few can use a Unix socket, so beside one the daemon's TLS address is asked for. */
async function reachable(client: Client, context: Context): Promise<Endpoint> {
  const { endpoint } = context;
  if (endpoint.kind === 'tls') return endpoint;
  const { endpoints } = await client.host.show(context.call);
  const url = endpoints.find((address) => address.startsWith('https://'));
  return url === undefined ? endpoint : { kind: 'tls', url, token: undefined, caFile: undefined };
}

/** `path` holds the ticket. */
export function socketUrl(endpoint: Endpoint, path: string): string {
  if (endpoint.kind === 'socket') return `ws+unix:${endpoint.path}:${path}`;
  return new URL(path, endpoint.url.replace(/^https:/, 'wss:')).href;
}
