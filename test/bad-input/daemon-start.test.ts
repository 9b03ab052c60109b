/** What a daemon finds where it is started: it ends with one line that names the thing and the fix, and changes nothing. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { projectRoot } from '../../tools/node-path.mjs';
import { TestHost } from '../support/test-host.ts';
import { refusalOf } from './refusal.ts';

const limitMs = 60_000;

interface Ended {
  readonly code: number;
  readonly stderr: string;
}

/** A daemon that is expected to end by itself. */
function failingDaemon(data: string, args: readonly string[] = ['--listen', '127.0.0.1:0']): Promise<Ended> {
  return new Promise((resolve) => {
    const command = join(projectRoot, 'bin/corrald');
    execFile(command, ['--data', data, ...args], { timeout: limitMs }, (error, _stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stderr });
    });
  });
}

function assertRefused({ code, stderr }: Ended, ...said: readonly RegExp[]): void {
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^corrald: [^\n]+\n$/, 'one line');
  for (const expected of said) assert.match(stderr, expected);
}

/** A data directory that a daemon has left. */
async function leftDirectory(): Promise<TestHost> {
  const host = await TestHost.start();
  await host.client.vm.list({});
  await host.endDaemon('SIGTERM');
  return host;
}

describe('a daemon started where it cannot run', () => {
  it('a data directory that another daemon has: both are named, the other goes on', async () => {
    await using host = await TestHost.start();
    assertRefused(
      await failingDaemon(host.data),
      new RegExp(`${host.data}/corral.db is in use by process ${host.daemonPid} .*--data ${host.data}`),
      /another --data directory/,
    );
    assert.deepEqual((await host.client.vm.list({})).items, []);
  });

  it('a store from a newer version is left as it is', async () => {
    await using host = await leftDirectory();
    const file = join(host.data, 'corral.db');
    const db = new DatabaseSync(file);
    db.exec('UPDATE store SET schema_version = 99');
    db.close();
    const before = await readFile(file);
    assertRefused(await failingDaemon(host.data), /format 99/, /newer version again/);
    assert.deepEqual(await readFile(file), before);
  });

  it('a store that is no database, one cut off, one with a flipped bit, an empty one', async () => {
    await using host = await leftDirectory();
    const file = join(host.data, 'corral.db');
    const good = await readFile(file);
    const flipped = Buffer.from(good);
    // Inside a stored text, which SQLite itself does not check.
    const at = flipped.indexOf('createdAt');
    assert.ok(at > 0);
    flipped[at] = flipped[at]! ^ 1;
    for (const content of [
      Buffer.from('not a database at all, but long enough to look at'.repeat(100)),
      good.subarray(0, good.length / 2),
      flipped,
      Buffer.alloc(0),
    ]) {
      await writeFile(file, content);
      assertRefused(await failingDaemon(host.data), /corral\.db is damaged/, /put back a copy/);
      assert.deepEqual(await readFile(file), content, 'it is left as it was');
    }
    await writeFile(file, good);
    await host.startDaemon();
  });

  it('a database of another program', async () => {
    await using host = await leftDirectory();
    const file = join(host.data, 'corral.db');
    await rm(file);
    const db = new DatabaseSync(file);
    db.exec('CREATE TABLE bookmarks (url TEXT)');
    db.close();
    assertRefused(await failingDaemon(host.data), /not a store of Corral/, /another data directory/);
  });

  it('something in the place of the socket; a socket at which somebody listens', async () => {
    await using host = await leftDirectory();
    await writeFile(host.socket, '');
    assertRefused(await failingDaemon(host.data), /corrald\.sock is a file/, /Move it away/);
    await rm(host.socket);
    const other = createServer((connection) => connection.destroy());
    await new Promise<void>((resolve) => other.listen(host.socket, resolve));
    try {
      assertRefused(await failingDaemon(host.data), /answers at .*corrald\.sock already/);
    } finally {
      other.close();
    }
  });

  it('a port that is taken, an address that is none', async () => {
    await using host = await leftDirectory();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    try {
      const address = `127.0.0.1:${port}`;
      assertRefused(await failingDaemon(host.data, ['--listen', address]), new RegExp(address));
    } finally {
      other.close();
    }
    assertRefused(await failingDaemon(host.data, ['--listen', 'nowhere']), /HOST:PORT/);
  });

  it('a data directory whose path is a file, or too long for a socket', async () => {
    await using host = await leftDirectory();
    const file = join(host.data, 'file');
    await writeFile(file, '');
    assertRefused(await failingDaemon(file), /file/);
    const long = join(host.data, 'x'.repeat(100));
    await mkdir(long);
    assertRefused(await failingDaemon(long), /shorter --data directory/);
  });
});

/** In place of QEMU: a program of our own. */
async function fakeQemu(host: TestHost, script: string): Promise<string> {
  const path = join(host.data, 'qemu');
  await writeFile(path, `#!${process.execPath}\n${script}`);
  await chmod(path, 0o755);
  return path;
}

/** A monitor that says it is of this version, and no more. */
const monitor = (major: number, minor: number): string => `
const { createServer } = require('node:net');
const qmp = process.argv[process.argv.indexOf('-qmp') + 1];
const greeting = { QMP: { version: { qemu: { major: ${major}, minor: ${minor}, micro: 0 }, package: '' }, capabilities: [] } };
createServer((socket) => {
  socket.write(JSON.stringify(greeting) + '\\r\\n');
  socket.on('data', (data) => socket.write(JSON.stringify({ return: {}, id: JSON.parse(data).id }) + '\\r\\n'));
}).listen(qmp.slice('unix:'.length).split(',')[0]);
`;

describe('a QEMU that cannot be used', () => {
  const cases = [
    ['missing', null, 'host.qemu-missing', /Install the Debian package/],
    ['too old', monitor(6, 2), 'host.qemu-too-old', /version 6\.2\.0; Corral needs 7\.2/],
    [
      'another program',
      'console.error("invalid option -machine"); process.exit(1);',
      'host.qemu-unusable',
      /last words: invalid option -machine/,
    ],
  ] as const;
  for (const [name, script, code, said] of cases) {
    it(`${name}: told by what needs it; the daemon runs`, { timeout: limitMs }, async () => {
      await using host = await leftDirectory();
      const path = script === null ? join(host.data, 'no-qemu') : await fakeQemu(host, script);
      await host.startDaemon({ env: { CORRAL_QEMU: path } });
      const { client } = host;
      const refused = await refusalOf(client, client.vm.create({ name: 'a', memoryBytes: 2 ** 26 }));
      assert.equal(refused.code, code, refused.detail);
      assert.match(refused.detail, said);
      assert.deepEqual((await client.vm.list({})).items, []);
      await assert.rejects(client.host.show(), said);
    });
  }
});
