import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { type LendingPlaces, UserfaultfdLender } from './lend-userfaultfd.ts';

async function withSetting(
  value: string,
  act: (lender: UserfaultfdLender, read: () => Promise<string>, places: LendingPlaces) => Promise<void>,
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'corral-lend-'));
  const places = { setting: join(root, 'setting'), marks: join(root, 'marks') };
  try {
    await mkdir(places.marks);
    await writeFile(places.setting, value);
    const lender = new UserfaultfdLender(process.pid, places);
    await act(lender, () => readFile(places.setting, 'utf8'), places);
    assert.deepEqual(await readdir(places.marks), [], 'no mark is left');
  } finally {
    await rm(root, { recursive: true });
  }
}

it('is on while anybody needs it, and off afterwards', () =>
  withSetting('0\n', async (lender, read) => {
    const first = await lender.lend();
    const second = await lender.lend();
    assert.equal(await read(), '1');
    await first[Symbol.asyncDispose]();
    assert.equal(await read(), '1');
    await second[Symbol.asyncDispose]();
    assert.equal(await read(), '0');
  }));

it('stays on where the administrator has it on', () =>
  withSetting('1\n', async (lender, read) => {
    await using _lent = await lender.lend();
    await lender.takeBack();
    assert.equal(await read(), '1\n');
  }));

it('stays on as long as another daemon of the host needs it', () =>
  withSetting('0', async (lender, read, places) => {
    // Any other process that is there.
    const other = await new UserfaultfdLender(process.ppid, places).lend();
    const own = await lender.lend();
    await own[Symbol.asyncDispose]();
    assert.equal(await read(), '1');
    await other[Symbol.asyncDispose]();
    assert.equal(await read(), '0');
  }));

it('is put back by the daemon after one that was killed', () =>
  withSetting('1', async (lender, read, { marks }) => {
    await writeFile(join(marks, '4194304-17'), '');
    await lender.takeBack();
    assert.equal(await read(), '0');
  }));
