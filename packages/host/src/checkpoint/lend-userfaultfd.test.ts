import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { DataDirectory } from '../data-directory.ts';
import { UserfaultfdLender } from './lend-userfaultfd.ts';

async function withSetting(
  value: string,
  act: (lender: UserfaultfdLender, read: () => Promise<string>, root: string) => Promise<void>,
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'corral-lend-'));
  const setting = join(root, 'setting');
  try {
    await writeFile(setting, value);
    await act(new UserfaultfdLender(new DataDirectory(root), setting), () => readFile(setting, 'utf8'), root);
    assert.deepEqual(await readdir(root), ['setting'], 'no mark is left');
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

it('is put back by the daemon after one that was killed', () =>
  withSetting('0', async (lender, read, root) => {
    await lender.lend();
    await new UserfaultfdLender(new DataDirectory(root), join(root, 'setting')).takeBack();
    assert.equal(await read(), '0');
  }));
