import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { runCli } from '../../testing/run-cli.ts';

const size = 4 * 2 ** 20;
const content = Buffer.alloc(size);
content.write('the content of a disk', 2 ** 20);
const sha256 = createHash('sha256').update(content).digest('hex');

/** A folder with base.raw in it, and `corral disk` run there. */
async function setUp() {
  const path = await mkdtemp(join(tmpdir(), 'corral-cli-'));
  await writeFile(join(path, 'base.raw'), content);
  const disk = (...args: readonly string[]) => runCli(['disk', ...args], { currentDirectory: path });
  return { path, disk, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

test('a disk goes through every format and keeps its content', async () => {
  await using at = await setUp();
  for (const [from, to] of [
    ['base.raw', 'a.qcow2'],
    ['a.qcow2', 'b.vhdx'],
    ['b.vhdx', 'c.vhd'],
    ['c.vhd', 'd.img'],
  ]) {
    const { exitCode, stderr } = await at.disk('convert', from!, to!);
    assert.equal(exitCode, 0, stderr);
    assert.equal((await at.disk('hash', to!)).stdout, `${sha256}  ${to}\n`);
    assert.equal((await at.disk('diff', 'base.raw', to!)).exitCode, 0);
    assert.match((await at.disk('check', to!)).stdout, /^Sound: /m);
  }
});

test('a chain is created, shown as a tree, mapped and merged', async () => {
  await using at = await setUp();
  assert.equal((await at.disk('convert', 'base.raw', 'base.vhdx')).exitCode, 0);
  const created = await at.disk('create', 'child.avhdx', '--parent', 'base.vhdx', '-o', 'json');
  assert.equal((JSON.parse(created.stdout) as { sizeBytes: number }).sizeBytes, size);
  const { stdout } = await at.disk('inspect', 'child.avhdx');
  assert.match(stdout, /^Chain\n.*child\.avhdx {2}\(.*\n└─ .*base\.vhdx {2}\(/m);
  const report = JSON.parse((await at.disk('inspect', 'child.avhdx', '-o', 'json')).stdout) as {
    layers: unknown[];
  };
  assert.equal(report.layers.length, 2);
  const map = JSON.parse((await at.disk('map', 'child.avhdx', '-o', 'json')).stdout) as {
    items: unknown[];
    next: null;
  };
  assert.ok(map.items.length > 0);
  assert.equal(map.next, null);
  assert.equal((await at.disk('merge', 'child.avhdx')).exitCode, 0);
  assert.deepEqual((await readdir(at.path)).toSorted(), ['base.raw', 'base.vhdx']);
});

test('differences are listed, and found by the exit code', async () => {
  await using at = await setUp();
  await writeFile(join(at.path, 'blank.raw'), Buffer.alloc(size));
  const text = await at.disk('diff', 'base.raw', 'blank.raw');
  assert.equal(text.exitCode, 1);
  assert.equal(text.stdout, '1048576 512\n512 B differ.\n');
  const json = await at.disk('diff', 'base.raw', 'blank.raw', '-o', 'json');
  assert.deepEqual(JSON.parse(json.stdout), { items: [{ offset: 2 ** 20, length: 512 }], next: null });
  const same = await at.disk('diff', 'base.raw', 'base.raw', '-o', 'json');
  assert.deepEqual(JSON.parse(same.stdout), { items: [], next: null });
});

test('a disk grows, shrinks only when allowed, and is compacted', async () => {
  await using at = await setUp();
  await at.disk('create', 'x.qcow2', '8MiB');
  assert.equal((await at.disk('resize', 'x.qcow2', '16MiB')).stdout, 'x.qcow2: 8 MiB before, 16 MiB now.\n');
  const refused = await at.disk('resize', 'x.qcow2', '8MiB');
  assert.equal(refused.exitCode, 4);
  assert.match(refused.stderr, /\[disk\.shrink-refused\]/);
  assert.equal((await at.disk('resize', 'x.qcow2', '8MiB', '--shrink')).exitCode, 0);
  assert.equal((await at.disk('compact', 'x.qcow2')).exitCode, 0);
});

test('what cannot be done is an error with its code, and leaves nothing behind', async () => {
  await using at = await setUp();
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['hash', 'nothing.vhdx'], 3, /\[disk\.not-found\]/],
    [['create', 'new-disk', '1GiB'], 2, /give --format/],
    [['create', 'base.raw', '1GiB'], 4, /\[disk\.exists\]/],
    [['create', 'new.vhdx'], 2, /\[disk\.unsupported-option\]/],
    [['merge', 'base.raw'], 4, /\[disk\.not-differencing\]/],
    [['inspect', 'base.raw', '--format', 'vhdx'], 1, /\[disk\./],
  ];
  for (const [args, exitCode, message] of cases) {
    const result = await at.disk(...args);
    assert.equal(result.exitCode, exitCode, args.join(' '));
    assert.match(result.stderr, message);
  }
  assert.deepEqual(await readdir(at.path), ['base.raw']);
});
