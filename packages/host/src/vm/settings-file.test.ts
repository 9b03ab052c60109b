import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sampleVm } from '../testing/sample-vm.ts';
import { readSettingsFile, writeSettingsFile } from './settings-file.ts';

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-settings-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('the settings file', () => {
  it('gives back what was written, and leaves nothing beside it', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'vm.json');
      await writeSettingsFile(path, sampleVm({ name: 'old' }));
      await writeSettingsFile(path, sampleVm());
      assert.deepEqual(await readSettingsFile(path), sampleVm());
      assert.deepEqual(await readdir(folder), ['vm.json']);
    }));

  it('is refused by name when it is damaged', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'vm.json');
      for (const content of ['', '{', '{"format":"corral-vm/2"}', 'null']) {
        await writeFile(path, content);
        await assert.rejects(readSettingsFile(path), { code: 'vm.settings-damaged' });
      }
    }));
});
