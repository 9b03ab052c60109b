/** corrald: wiring and nothing else. What is started last ends first. */
import { mkdir } from 'node:fs/promises';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { isCorralError } from '@corral/core/errors';
import { DataDirectory } from '@corral/host/data-directory';
import { EventLog } from '@corral/host/event-log';
import { openSqliteStore } from '@corral/store/sqlite-store';
import { type Logger, pino } from 'pino';
import packageJson from '../package.json' with { type: 'json' };
import { daemonErrors } from './errors.ts';
import { hostIdentity } from './host-identity.ts';
import { startHttpServers } from './http/http-servers.ts';
import { Tickets } from './http/tickets.ts';
import { Metrics } from './metrics.ts';
import { notifySystemd } from './notify-systemd.ts';
import { type DaemonOptions, parseOptions, usage } from './options.ts';
import { allHandlers } from './routes/handlers.ts';
import { Tokens } from './tokens.ts';
import { startBackground } from './wire/background.ts';
import { assembleHost } from './wire/host-parts.ts';
import { operationMetrics } from './wire/operation-metrics.ts';
import { platformOf } from './wire/platform.ts';
import { makeServices } from './wire/services.ts';
import { takeUp } from './wire/take-up.ts';
import { vmMetrics } from './wire/vm-metrics.ts';

const { version } = packageJson;

/** Enough for thousands of events and operations while an administrator frees space. */
const storeReserveBytes = 16 * 2 ** 20;

async function run(options: DaemonOptions, log: Logger, stop: AbortSignal): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const startedAt = new Date().toISOString();
  await makeDataDirectory(options.dataDirectory);
  const store = stack.use(
    await openSqliteStore({
      file: join(options.dataDirectory, 'corral.db'),
      reserveBytes: storeReserveBytes,
    }),
  );
  const directory = stack.use(new DataDirectory(options.dataDirectory));
  await directory.prepare();
  const identity = await hostIdentity(store, options.nodeName);
  const subject = { kind: 'host', id: identity.id, name: identity.name } as const;
  const events = new EventLog({ store, node: options.nodeName, log });
  stack.defer(() => events.settled());
  const metrics = new Metrics(log, { version, node: options.nodeName });
  const platform = platformOf(directory);
  const { nodeName } = options;
  const parts = await assembleHost({
    store,
    directory,
    events,
    metrics,
    log,
    nodeName,
    identity,
    launchHost: platform.launchHost,
    backupBytesPerSecond: options.backupBytesPerSecond,
    mergeBytesPerSecond: options.mergeBytesPerSecond,
  });
  stack.defer(() => parts.consoles.close());
  stack.defer(() => parts.host.agents.close());
  stack.defer(() => parts.host.supervisor.close());
  stack.use(parts.engine);
  stack.use(parts.host.chains);

  let endpoints: readonly string[] = [];
  const tokens = new Tokens({ store, events });
  const services = makeServices({
    parts,
    events,
    identity,
    version,
    startedAt,
    platform,
    endpoints: () => endpoints,
  });
  metrics.addCollector('vms', () => vmMetrics(parts.host));
  metrics.addCollector('operations', async () => [operationMetrics(parts.active)]);
  const tickets = new Tickets();
  const handlers = allHandlers({ services, tokens, tickets, metrics, identity: { name: nodeName, version } });

  await takeUp(parts, log);

  const servers = await startHttpServers({
    handlers,
    tokens,
    events,
    log,
    onRequestEnd: metrics.onRequestEnd,
    socketPath: join(directory.root, 'corrald.sock'),
    listen: options.listen,
    tlsFolder: join(directory.root, 'tls'),
    host: subject,
  });
  stack.use(servers);
  endpoints = servers.endpoints;
  await parts.host.emit('host.daemon-started', subject, { version });
  process.stdout.write(
    `corrald ready\n${endpoints.map((endpoint) => `  ${endpoint}\n`).join('')}  CA ${servers.caPath}\n`,
  );
  await notifySystemd('ready', log);
  // Node would write it at its end, which a daemon that is killed does not have.
  flushCompileCache();

  const background = startBackground(parts, options.checkpointLimits, store, log, stop);
  await aborted(stop);
  await notifySystemd('stopping', log);
  await Promise.all(background);
  await parts.host.emit('host.daemon-stopped', subject);
}

/** @throws daemon.bad-data-directory */
async function makeDataDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o711 });
  } catch (cause) {
    throw daemonErrors['bad-data-directory']({ path, reason: (cause as Error).message }, { cause });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function main(): Promise<number> {
  try {
    const options = parseOptions(process.argv.slice(2));
    if (!options) {
      process.stdout.write(usage);
      return 0;
    }
    const log = pino(
      { base: { node: options.nodeName }, level: process.env['CORRAL_LOG'] ?? 'info' },
      pino.destination(2),
    );
    const stop = new AbortController();
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
    await run(options, log, stop.signal);
    return 0;
  } catch (cause) {
    if (!isCorralError(cause)) throw cause;
    process.stderr.write(`corrald: ${cause.message}\n`);
    return 1;
  }
}

process.exitCode = await main();
