import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair, PassThrough } from 'node:stream';
import test from 'node:test';
import { cliErrors } from '../errors.ts';
import type { Io } from '../io.ts';
import { consoleSession } from './console-session.ts';
import { untilDetach } from './detach-key.ts';

class Keyboard extends PassThrough {
  readonly isTTY = true;
  readonly modes: boolean[] = [];

  setRawMode(raw: boolean): void {
    this.modes.push(raw);
  }
}

/** A console, the guest at its far end, and what reached either side. */
function setUp(stop = new AbortController()) {
  const [near, far] = duplexPair();
  const keyboard = new Keyboard();
  const stdout = new PassThrough();
  const io: Io = {
    stdin: keyboard,
    stdout,
    stderr: new PassThrough(),
    env: {},
    currentDirectory: '/',
    signal: stop.signal,
  };
  return { near, far, keyboard, stdout, io };
}

const lingerMs = 60_000;

test('the key ends what is forwarded and is not forwarded itself', () => {
  const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
  assert.deepEqual(untilDetach(bytes('ab\u0003')), { forward: bytes('ab\u0003'), detached: false });
  assert.deepEqual(untilDetach(bytes('ab\u001dcd')), { forward: bytes('ab'), detached: true });
  assert.deepEqual(untilDetach(bytes('\u001d')), { forward: bytes(''), detached: true });
});

test('keys reach the guest raw, Ctrl-] leaves, the terminal is as before', async () => {
  const { near, far, keyboard, stdout, io } = setUp();
  const session = consoleSession(near, io, { input: 'keyboard', lingerMs });
  far.write('login: ');
  const [shown] = (await once(stdout, 'data')) as [Buffer];
  assert.equal(shown.toString(), 'login: ');
  keyboard.write('root\r\u0003');
  const [typed] = (await once(far, 'data')) as [Buffer];
  assert.equal(typed.toString(), 'root\r\u0003');
  keyboard.write('\u001d');
  assert.equal(await session, 'detached');
  assert.deepEqual(keyboard.modes, [true, false]);
  assert.ok(near.destroyed);
});

test('the terminal is as before when the VM ends, when we are ended, and when the connection fails', async () => {
  const ended = setUp();
  const atEnd = consoleSession(ended.near, ended.io, { input: 'keyboard', lingerMs });
  ended.far.end();
  assert.equal(await atEnd, 'closed');
  assert.deepEqual(ended.keyboard.modes, [true, false]);

  const stop = new AbortController();
  const killed = setUp(stop);
  const atSignal = consoleSession(killed.near, killed.io, { input: 'keyboard', lingerMs });
  stop.abort(cliErrors.terminated({ message: 'Ended by SIGTERM.' }));
  await assert.rejects(atSignal, { code: 'cli.terminated' });
  assert.deepEqual(killed.keyboard.modes, [true, false]);

  const broken = setUp();
  const atFailure = consoleSession(broken.near, broken.io, { input: 'keyboard', lingerMs });
  broken.near.destroy(new Error('gone'));
  await assert.rejects(atFailure, /gone/);
  assert.deepEqual(broken.keyboard.modes, [true, false]);
});

test('a pipe is sent to its end, and the answer awaited until the guest is silent', async () => {
  const { near, far, keyboard, stdout, io } = setUp();
  const session = consoleSession(near, io, { input: 'pipe', lingerMs: 20 });
  far.on('data', (typed: Buffer) => far.write(`answer to ${typed.toString().trim()}`));
  keyboard.end('uname\n');
  assert.equal(await session, 'silent');
  assert.equal(String(stdout.read()), 'answer to uname');
  assert.deepEqual(keyboard.modes, []);
});

test('without input it only watches, until the VM ends', async () => {
  const { near, far, keyboard, stdout, io } = setUp();
  keyboard.write('not for the guest');
  const session = consoleSession(near, io, { input: 'none', lingerMs });
  far.end('booting\n');
  assert.equal(await session, 'closed');
  assert.equal(String(stdout.read()), 'booting\n');
  assert.equal(far.read(), null);
});
