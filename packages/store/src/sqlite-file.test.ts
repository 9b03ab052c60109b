/** What a store file may be like when the daemon opens it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { type CorralError, isCorralError } from '@corral/core/errors';
import { openSqliteStore } from './sqlite-store.ts';
import type { Store } from './store.ts';

/** In memory where that is possible: a flush takes its time, and what a kill leaves is the same. */
const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

async function temporary(): Promise<AsyncDisposable & { readonly directory: string; readonly file: string }> {
  const directory = await mkdtemp(join(base, 'corral-store-'));
  return {
    directory,
    file: join(directory, 'store.sqlite'),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

const module = JSON.stringify(new URL('sqlite-store.ts', import.meta.url).href);

/** Another process that has opened the file as `store` and runs `script`. */
function spawnWithStore(file: string, script: string) {
  const open = `const { openSqliteStore } = await import(${module});
    const store = await openSqliteStore({ file: ${JSON.stringify(file)} });`;
  const args = ['--input-type=module', '-e', `${open}\n${script}`];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** A closed file with so many keys of 1 KB. */
async function filled(file: string, keys: number): Promise<void> {
  await using store = await openSqliteStore({ file, thread: false });
  for (let index = 0; index < keys; index += 1) {
    await store.transact({ then: [{ put: `key/${index}`, value: String(index).padEnd(1_000, '.') }] });
  }
}

/** In this thread, which is quicker; `thread: true` where the way through the other thread matters. */
async function refused(file: string, code: string, thread = false): Promise<CorralError> {
  let caught: unknown;
  await assert.rejects(openSqliteStore({ file, thread }), (e) => {
    caught = e;
    return isCorralError(e, code);
  });
  assert.ok(isCorralError(caught) && caught.message.includes(file), String(caught));
  return caught;
}

function edit(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}

describe('a store file', () => {
  test('keeps keys, revisions, history and leases from one opening to the next', async () => {
    await using place = await temporary();
    const { file } = place;
    let first: Store = await openSqliteStore({ file });
    const start = await first.revision();
    const lease = await first.grantLease(60_000);
    const { revision } = await first.transact({ then: [{ put: 'a', value: '1', leaseId: lease.id }] });
    await first.compact(start);
    await first.close();
    first = await openSqliteStore({ file });
    assert.equal(await first.revision(), revision);
    assert.equal((await first.get('a'))?.leaseId, lease.id);
    const { value } = await first.watch('', { afterRevision: start })[Symbol.asyncIterator]().next();
    assert.equal(value?.revision, revision);
    const again = await first.transact({ then: [{ put: 'b', value: '2', leaseId: lease.id }] });
    assert.equal(again.revision, revision + 1);
    await first.close();
    assert.deepEqual(await readdir(place.directory), ['store.sqlite']);
  });

  test('belongs to its owner alone', async () => {
    await using place = await temporary();
    await filled(place.file, 0);
    assert.equal((await stat(place.file)).mode & 0o777, 0o600);
  });

  test('is open once: in this process, and in another one, which is named', async () => {
    await using place = await temporary();
    const { file } = place;
    const child = spawnWithStore(
      file,
      "await store.get('a'); console.log('open'); setInterval(() => {}, 1000);",
    );
    try {
      await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
      assert.match((await refused(file, 'store.in-use', true)).message, new RegExp(`process ${child.pid} `));
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await using store = await openSqliteStore({ file });
    assert.match((await refused(file, 'store.in-use')).message, /this same process/);
    assert.equal(await store.get('a'), null);
  });

  test('from a newer version is refused, and left as it was', async () => {
    await using place = await temporary();
    const { file } = place;
    await filled(file, 1);
    edit(file, 'UPDATE store SET schema_version = 99');
    const before = await readFile(file);
    assert.deepEqual((await refused(file, 'store.newer-version', true)).params, {
      file,
      found: 99,
      known: 1,
    });
    assert.deepEqual(await readFile(file), before);
  });

  test('of another program is refused', async () => {
    await using place = await temporary();
    edit(place.file, 'CREATE TABLE other (x)');
    await refused(place.file, 'store.foreign');
  });

  test('in a directory that is not there, or where nothing can be written, is refused', async () => {
    await using place = await temporary();
    await refused(join(place.directory, 'missing', 'store.sqlite'), 'store.input-output');
    await refused(place.directory, 'store.input-output');
  });

  test('of a creation that was cut off is cleared away', async () => {
    await using place = await temporary();
    await writeFile(`${place.file}.new-1234`, 'half');
    await filled(place.file, 1);
    assert.deepEqual(await readdir(place.directory), ['store.sqlite']);
  });
});

describe('a damaged store file is refused:', () => {
  const damages: Record<string, (bytes: Buffer) => Buffer> = {
    empty: () => Buffer.alloc(0),
    'not a database': () => Buffer.from('hello '.repeat(1_000)),
    'cut off in the header': (bytes) => bytes.subarray(0, 50),
    'cut in half': (bytes) => bytes.subarray(0, bytes.length >> 1),
    'last page missing': (bytes) => bytes.subarray(0, bytes.length - 4096),
    'zeros at the beginning': (bytes) => Buffer.from(bytes).fill(0, 0, 4096),
    'zeros in the middle': (bytes) => Buffer.from(bytes).fill(0, 8192, 16384),
    'a bit flipped in a value': (bytes) => {
      const copy = Buffer.from(bytes);
      copy[copy.lastIndexOf('.......')]! ^= 1;
      return copy;
    },
  };
  for (const [name, damage] of Object.entries(damages)) {
    test(name, async () => {
      await using place = await temporary();
      await filled(place.file, 20);
      await writeFile(place.file, damage(await readFile(place.file)));
      await refused(place.file, 'store.damaged');
    });
  }

  test('a bit flipped anywhere is refused or harms nothing', async () => {
    await using place = await temporary();
    const { file } = place;
    await filled(file, 3);
    const sound = await readFile(file);
    for (let position = 0; position < sound.length; position += 251) {
      const flipped = Buffer.from(sound);
      flipped[position]! ^= 0x10;
      const copy = `${file}-${position}`;
      await writeFile(copy, flipped);
      await readWhole(copy);
      await rm(copy);
    }
  });
});

/** Reads everything: each value is what was written, or an error of the registry says why not. */
async function readWhole(file: string): Promise<void> {
  try {
    await using store = await openSqliteStore({ file, thread: false });
    const { entries } = await store.list('');
    const values = entries.map((entry) => entry.value);
    assert.deepEqual(
      values,
      ['0', '1', '2'].map((value) => value.padEnd(1_000, '.')),
      file,
    );
    await store.watch('', { afterRevision: 1 })[Symbol.asyncIterator]().next();
  } catch (e) {
    assert.ok(isCorralError(e), `${file}: ${String(e)}`);
  }
}

describe('a store file whose', () => {
  test('daemon is killed has every transaction that was acknowledged, and no half one', async () => {
    await using place = await temporary();
    const { file } = place;
    const child = spawnWithStore(
      file,
      `for (let n = 0; ; n += 1) {
        const value = String(n);
        await store.transact({ then: [{ put: 'a', value }, { put: 'b', value }] });
        process.stdout.write(value + '\\n');
      }`,
    );
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.length > 500) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const acknowledged = Number(output.trimEnd().split('\n').at(-1));
    await using store = await openSqliteStore({ file });
    const [a, b] = [await store.get('a'), await store.get('b')];
    assert.equal(a?.value, b?.value);
    assert.ok(Number(a?.value) >= acknowledged, `${a?.value} of ${acknowledged}`);
  });

  test('file system is full refuses the change, keeps the rest, and goes on when there is space', async () => {
    await using place = await temporary();
    const { file } = place;
    await filled(file, 1);
    const limited = await openSqliteStore({ file, maxBytes: (await stat(file)).size + 65_536 });
    const value = 'x'.repeat(500_000);
    await assert.rejects(limited.transact({ then: [{ put: 'big', value }] }), (e) =>
      isCorralError(e, 'store.full'),
    );
    assert.equal(await limited.get('big'), null);
    await limited.transact({ then: [{ put: 'small', value: 'x' }] });
    await limited.close();
    await copyFile(file, `${file}.copy`);
    await using store = await openSqliteStore({ file: `${file}.copy` });
    assert.notEqual(await store.get('small'), null);
    await store.transact({ then: [{ put: 'big', value }] });
  });
});
