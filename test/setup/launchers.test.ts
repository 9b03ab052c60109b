/** bin/corral and bin/corrald: they find the project through links, keep arguments, and do without a cache. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

const echo = `const seen: object = { args: process.argv.slice(2), version: process.version, pid: process.pid };
console.log(JSON.stringify({ ...seen, cache: process.env['NODE_COMPILE_CACHE'] ?? null }));
`;

interface Seen {
  readonly args: readonly string[];
  readonly version: string;
  readonly cache: string | null;
}

/** A project of launchers, Node and two programs that print what they see. */
async function makeProject(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'corral-launchers-'));
  await cp(join(root, 'bin'), join(path, 'bin'), { recursive: true });
  await symlink(join(root, 'node_modules'), join(path, 'node_modules'));
  for (const name of ['cli', 'daemon']) {
    await mkdir(join(path, `packages/${name}/src`), { recursive: true });
    await writeFile(join(path, `packages/${name}/src/main.ts`), echo);
  }
  await writeFile(join(path, 'package.json'), '{ "type": "module" }');
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

async function launch(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Seen> {
  const { stdout, stderr } = await run(command, [...args], {
    env: { PATH: process.env['PATH'], ...env },
    timeout: 20_000,
  });
  assert.equal(stderr, '');
  return JSON.parse(stdout) as Seen;
}

test('arguments arrive as they are, on the Node that the project pins', async () => {
  await using project = await makeProject();
  for (const name of ['corral', 'corrald']) {
    const args = ['--data', '/a dir', '', '--', '*'];
    const seen = await launch(join(project.path, 'bin', name), args, { HOME: project.path });
    assert.deepEqual(seen.args, args);
    assert.equal(seen.version, process.version);
    assert.equal(seen.cache, join(project.path, '.cache/corral/node'));
  }
  assert.deepEqual(await readdir(join(project.path, '.cache/corral')), ['node']);
});

test('a link to a link in another folder leads to the project', async () => {
  await using project = await makeProject();
  await mkdir(join(project.path, 'elsewhere'));
  await symlink('../bin/corral', join(project.path, 'elsewhere/one'));
  await symlink('one', join(project.path, 'elsewhere/two'));
  const seen = await launch(join(project.path, 'elsewhere/two'), ['x'], {});
  assert.deepEqual(seen.args, ['x']);
});

test('the cache of another user, or none that can be written, is left alone', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root, to have a folder of another user');
  await using project = await makeProject();
  const home = join(project.path, 'home');
  await mkdir(home);
  await run('chown', ['65534', home]);
  const corral = join(project.path, 'bin/corral');
  assert.equal((await launch(corral, [], { HOME: home })).cache, null);
  assert.equal((await launch(corral, [], {})).cache, null);
  assert.equal((await launch(corral, [], { XDG_CACHE_HOME: '/proc' })).cache, null);
});

test('without its packages the project says what to do', async () => {
  await using project = await makeProject();
  await rm(join(project.path, 'node_modules'));
  await assert.rejects(launch(join(project.path, 'bin/corral'), [], {}), /run "npm start" or "npm ci"/);
});
