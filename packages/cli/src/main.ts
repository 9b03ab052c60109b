/** The process of `corral`: its streams, its signals, its exit code. What it does is in run.ts. */
import { cliErrors } from './errors.ts';
import type { Io } from './io.ts';
import { run } from './run.ts';

const stop = new AbortController();
process.once('SIGINT', () => stop.abort(cliErrors.interrupted({ message: 'Interrupted.' })));
for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => stop.abort(cliErrors.terminated({ message: `Ended by ${signal}.` })));
}
for (const stream of [process.stdout, process.stderr]) {
  // Each write reports its own failure; without a listener Node would end the process before it does.
  stream.on('error', () => undefined);
}

const io: Io = {
  // Made when asked for: most commands read nothing, and the getter opens a stream.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  currentDirectory: process.cwd(),
  signal: stop.signal,
};

const exitCode = await run(process.argv.slice(2), io);
// All output was awaited. A terminal or pipe that is still open for reading would keep the process alive.
process.exit(exitCode);
