/**
 * `npm start [-- --data DIR] [--update] [options of corrald]`: sets the host up, runs corrald until Ctrl-C, and sees to
 * it that there is a machine to look at. Begins on Node 20. The machines outlive the daemon.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from './node-path.mjs';
import { endWith } from './setup/end-with.mjs';
import { SetupError } from './setup/process.mjs';
import { part } from './setup/progress.mjs';
import { setUpHost } from './setup/set-up.mjs';
import { Corral } from './start/corral.mjs';
import { Daemon } from './start/daemon.mjs';
import { ensureHello } from './start/hello.mjs';
import { summary } from './start/summary.mjs';

const { values, tokens } = parseArgs({
  strict: false,
  tokens: true,
  options: {
    data: { type: 'string', default: join(projectRoot, 'data') },
    update: { type: 'boolean', default: false },
  },
});
const dataDirectory = resolve(String(values.data));

/** What is not ours is the daemon's. */
const daemonArguments = tokens.flatMap((token) => {
  if (token.kind !== 'option' || token.name === 'data' || token.name === 'update') {
    return token.kind === 'positional' ? [token.value] : [];
  }
  return token.value === undefined ? [token.rawName] : [`${token.rawName}=${token.value}`];
});

function requireRoot() {
  if (process.getuid?.() === 0) return;
  throw new SetupError(
    'Corral needs root: it installs Debian packages and gives each machine a user of its own.\nRun: sudo npm start',
  );
}

await endWith(async () => {
  requireRoot();
  await setUpHost({ refresh: values.update === true });
  mkdirSync(dataDirectory, { recursive: true, mode: 0o711 });
  const corral = new Corral(join(dataDirectory, 'corrald.sock'));
  if (await corral.answers()) {
    process.stdout.write(`corrald runs already for ${dataDirectory}; this leaves it alone.\n`);
    await ensureHello(corral);
    process.stdout.write(await summary(corral, dataDirectory, []));
    return 0;
  }
  const daemon = new Daemon(dataDirectory, daemonArguments);
  const stop = () => daemon.stop();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
  try {
    const endpoints = await part('corrald', () => daemon.start());
    await ensureHello(corral, daemon.ended);
    process.stdout.write(await summary(corral, dataDirectory, endpoints));
    process.stdout.write(
      '\nCtrl-C ends the daemon; the machines run on, and the next "npm start" has them again.\n',
    );
    return await daemon.ended;
  } finally {
    daemon.stop();
    await daemon.ended;
    process.stdout.write('corrald has ended. The machines run on.\n');
  }
});
