import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { testDaemon, testServer } from '../testing/test-server.ts';
import { listenOnSocket } from './listen-socket.ts';

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'corral-socket-'));
});
after(() => rm(root, { recursive: true }));

async function newPath(): Promise<string> {
  return join(await mkdtemp(join(root, 'x')), 'corrald.sock');
}

test('the socket has mode 0600 and is gone after the server has closed', async () => {
  await using daemon = testDaemon();
  const path = await newPath();
  const server = await testServer(daemon);
  await listenOnSocket(server, path);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await server.close();
  await assert.rejects(stat(path), { code: 'ENOENT' });
});

test('the socket of a daemon that was killed is taken over', async () => {
  await using daemon = testDaemon();
  const path = await newPath();
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`;
  await once(spawn(process.execPath, ['-e', script]), 'exit');
  assert.ok((await stat(path)).isSocket());
  const server = await testServer(daemon);
  await listenOnSocket(server, path);
  await server.close();
});

test('a daemon that lives is refused by its name and process', async () => {
  await using daemon = testDaemon();
  const path = await newPath();
  const [first, second] = [await testServer(daemon), await testServer(daemon)];
  await listenOnSocket(first, path);
  await assert.rejects(listenOnSocket(second, path), {
    code: 'daemon.socket-in-use',
    message: new RegExp(`^corrald of node n1 \\(process ${process.pid}\\) answers`),
  });
  await first.close();
  await second.close();
});

test('a socket that another program holds is not taken', async () => {
  await using daemon = testDaemon();
  const path = await newPath();
  const other = createServer((socket) => {
    // The probe hangs up without reading, which the other program may see as an error.
    socket.on('error', () => socket.destroy());
    socket.resume().end('hello');
  }).listen(path);
  await once(other, 'listening');
  const server = await testServer(daemon);
  await assert.rejects(listenOnSocket(server, path), {
    code: 'daemon.socket-in-use',
    message: /^another process/,
  });
  await server.close();
  other.close();
  await once(other, 'close');
});

test('what is no socket is not deleted', async () => {
  await using daemon = testDaemon();
  const server = await testServer(daemon);
  const [file, folder] = [await newPath(), await newPath()];
  await writeFile(file, 'precious');
  await mkdir(folder);
  await assert.rejects(listenOnSocket(server, file), { code: 'daemon.socket-blocked', message: /is a file/ });
  await assert.rejects(listenOnSocket(server, folder), {
    code: 'daemon.socket-blocked',
    message: /is a folder/,
  });
  await server.close();
});

test('a path that the kernel would cut is refused', async () => {
  await using daemon = testDaemon();
  const server = await testServer(daemon);
  const path = join(root, 'x'.repeat(120));
  await assert.rejects(listenOnSocket(server, path), { code: 'daemon.socket-path-too-long' });
  await server.close();
});
