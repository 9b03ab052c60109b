/** A daemon of doubles behind real listeners, and clients of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@corral/api/client.gen';
import { socketTransport, tlsTransport } from '@corral/api/transport';
import { type HttpServers, startHttpServers } from '@corral/daemon/http/http-servers';
import { type TestDaemon, testDaemon } from '@corral/daemon/testing/test-server';

export interface RunningDaemon extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly socketPath: string;
  readonly servers: () => HttpServers;
  /** Closes the listeners and opens them again, as a restart does; what is behind them stays. */
  restart(): Promise<void>;
  /** Over the Unix socket. */
  readonly client: Client;
  tlsClient(token?: string, caFile?: string): Client;
}

export async function runDaemon(): Promise<RunningDaemon> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'corral-api-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const daemon = stack.use(testDaemon());
  const socketPath = join(folder, 'corrald.sock');
  const start = (): Promise<HttpServers> =>
    startHttpServers({
      handlers: daemon.handlers,
      tokens: daemon.tokens,
      events: daemon.events,
      log: daemon.log,
      onRequestEnd: daemon.metrics.onRequestEnd,
      socketPath,
      listen: { host: '127.0.0.1', port: 0 },
      tlsFolder: join(folder, 'tls'),
      host: { kind: 'host', id: 'n1', name: 'n1' },
    });
  let servers = await start();
  stack.defer(() => servers.close());
  const newClient = (client: Client): Client => stack.adopt(client, (open) => open.close());
  const client = newClient(new Client(socketTransport(socketPath)));
  const running = stack.move();
  return {
    daemon,
    socketPath,
    client,
    servers: () => servers,
    restart: async () => {
      await servers.close();
      servers = await start();
    },
    tlsClient: (token, caFile = servers.caPath!) => {
      const target = { endpoint: servers.endpoints[1]!, caFile, ...(token !== undefined && { token }) };
      const made = new Client(tlsTransport(target));
      running.defer(() => made.close());
      return made;
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
