import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Repository, RepositoryCheckReport } from '@corral/api/schemas/repository';
import { FakeDaemon } from '../../testing/fake-daemon.ts';
import { runCli } from '../../testing/run-cli.ts';
import { doneOperation, idOf, sampleOperation } from '../../testing/samples.ts';

const vault: Repository = {
  id: idOf('1'),
  name: 'vault',
  createdAt: '2025-03-01T12:00:00.000Z',
  repositoryId: idOf('2'),
  place: { kind: 'directory', path: '/backup' },
  encrypted: true,
  retention: { daily: 7, weekly: 4 },
  appendOnly: false,
  lockDays: 30,
};

async function fake(output: unknown = null): Promise<FakeDaemon> {
  return await FakeDaemon.start({
    'repository.create': () => sampleOperation(),
    'repository.connect': () => sampleOperation(),
    'repository.set': () => sampleOperation(),
    'repository.check': () => sampleOperation(),
    'repository.prune': () => sampleOperation(),
    'repository.prune-preview': () => ({
      backups: [{ point: idOf('3'), vm: 'web1', name: 'nightly', createdAt: '2025-03-01T12:00:00.000Z' }],
      deletedPoints: 3,
      lockedPoints: 1,
      deletedPacks: 4,
      freedBytes: 2 ** 20,
    }),
    'repository.key.change': () => sampleOperation(),
    'repository.show': () => vault,
    'repository.list': () => ({ items: [vault], next: null }),
    'operation.follow': async function* () {
      yield { id: 9, data: { ...doneOperation(), output } };
    },
  });
}

async function filesOf(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-cli-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return folder;
}

test('a passphrase is the first line of its file, a path is one of the host', async (t) => {
  const currentDirectory = await filesOf(t, { pass: 'correct horse battery\nnot this\n' });
  await using daemon = await fake();
  const args = [
    'repository',
    'create',
    'vault',
    '--path',
    'b',
    '--passphrase-file',
    'pass',
    '--keep-daily',
    '7',
  ];
  const result = await runCli([...args, '--socket', daemon.socketPath], { currentDirectory });
  assert.equal(result.stdout, 'Repository vault is created.\n');
  assert.deepEqual(daemon.requests.find(({ route }) => route === 'repository.create')?.body, {
    name: 'vault',
    place: { kind: 'directory', path: join(currentDirectory, 'b') },
    secret: { passphrase: 'correct horse battery' },
    retention: { daily: 7 },
    keyName: 'first',
  });
});

test('keys of a store come from the environment, a signature in a URL is taken out of it', async (t) => {
  const currentDirectory = await filesOf(t, { key: 'k'.repeat(32) });
  await using daemon = await fake();
  const connect = (args: readonly string[], env: Readonly<Record<string, string>>) =>
    runCli(['repository', 'connect', 'far', ...args, '--socket', daemon.socketPath], {
      currentDirectory,
      env,
    });
  const aws = { AWS_ACCESS_KEY_ID: 'AK', AWS_SECRET_ACCESS_KEY: 'SK', AWS_REGION: 'eu-west-1' };
  await connect(['--s3', 's3://bucket/deep', '--key-file', 'key', '--store-locks'], aws);
  await connect(['--azure', 'https://a.blob.core.windows.net/c?sv=1&sig=x'], {});
  const bodies = daemon.requests
    .filter(({ route }) => route === 'repository.connect')
    .map(({ body }) => body);
  assert.deepEqual(bodies, [
    {
      name: 'far',
      place: { kind: 's3', url: 's3://bucket/deep', region: 'eu-west-1', storeLocks: true },
      credentials: { accessKeyId: 'AK', secretAccessKey: 'SK' },
      secret: { keyFile: Buffer.from('k'.repeat(32)).toString('base64') },
      retention: {},
    },
    {
      name: 'far',
      place: { kind: 'azure', url: 'https://a.blob.core.windows.net/c', storeLocks: false },
      credentials: { sharedAccessSignature: 'sv=1&sig=x' },
      retention: {},
    },
  ]);
});

test('one place and at most one secret', async () => {
  await using daemon = await fake();
  const create = (...args: readonly string[]) =>
    runCli(['repository', 'create', 'v', ...args, '--socket', daemon.socketPath]);
  assert.equal((await create()).exitCode, 2);
  assert.equal((await create('--path', '/a', '--s3', 's3://b')).exitCode, 2);
  assert.equal((await create('--path', '/a', '--key-file', 'x', '--passphrase-file', 'y')).exitCode, 2);
  assert.deepEqual(daemon.requests, []);
});

test('a check that finds damage names the backups and ends with 1', async () => {
  const report: RepositoryCheckReport = {
    sound: false,
    points: 2,
    packs: 3,
    blobs: 40,
    provedBytes: 2 ** 20,
    problems: [{ object: 'packs/aa/aa', kind: 'damaged', detail: 'its content does not fit its name' }],
    problemCount: 1,
    harmed: [
      {
        point: idOf('3'),
        vm: 'web1',
        name: 'nightly',
        createdAt: '2025-03-01T12:00:00.000Z',
        disks: ['root'],
        lostBytes: 65_536,
      },
    ],
    harmedCount: 1,
    unreadable: [],
  };
  await using daemon = await fake(report);
  const { exitCode, stdout } = await runCli([
    'repository',
    'check',
    'vault',
    '--read-data',
    '--socket',
    daemon.socketPath,
  ]);
  assert.equal(exitCode, 1);
  assert.match(stdout, /damaged/);
  assert.match(stdout, /web1, nightly, .*64 KiB of root/);
  assert.deepEqual(daemon.requests[0]?.body, { readData: true });
});

test('rules and policy are shown as people say them, and set anew', async () => {
  await using daemon = await fake();
  const corral = (...args: readonly string[]) =>
    runCli(['repository', ...args, '--socket', daemon.socketPath]);
  const { stdout } = await corral('list');
  assert.match(stdout, /vault {2}\/backup {2}yes {8}7 daily, 4 weekly {2}locked 30 days/);
  await corral('set', 'vault', '--keep-all', '--append-only');
  await corral('set', 'vault', '--keep-last', '3', '--lock-days', '40');
  const bodies = daemon.requests.filter(({ route }) => route === 'repository.set').map(({ body }) => body);
  assert.deepEqual(bodies, [
    { retention: {}, appendOnly: true },
    { retention: { last: 3 }, lockDays: 40 },
  ]);
});

test('a key is never changed to none', async () => {
  await using daemon = await fake();
  const args = ['repository', 'key', 'change', 'vault', '--name', 'x', '--socket', daemon.socketPath];
  assert.equal((await runCli(args)).exitCode, 2);
});

test('a dry run names what a prune would delete, and begins none', async () => {
  await using daemon = await fake();
  const args = ['repository', 'prune', 'vault', '--dry-run', '--no-retention', '--socket', daemon.socketPath];
  const { exitCode, stdout } = await runCli(args);
  assert.equal(exitCode, 0);
  assert.match(stdout, /web1, nightly/);
  assert.match(stdout, /and 2 more/);
  assert.match(stdout, /about 1 MiB in 4 packs/);
  assert.match(stdout, /Kept by a lock +1 backups/);
  assert.deepEqual(
    daemon.requests.map(({ route }) => route),
    ['repository.prune-preview'],
  );
});
