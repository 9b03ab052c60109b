import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { BackupFinding } from '@corral/api/schemas/backup';
import { FakeDaemon } from '../../testing/fake-daemon.ts';
import { runCli } from '../../testing/run-cli.ts';
import { sampleBackup } from '../../testing/samples.ts';

const at = '2026-01-02T03:04:05.000Z';

const backup = sampleBackup();

function finding(screenshot: string | null): BackupFinding {
  return { at, outcome: 'passed', method: 'agent', detail: 'It ran.', tookMs: 5, host: 'one', screenshot };
}

async function shown(t: TestContext, findings: readonly BackupFinding[], times = 1) {
  const currentDirectory = await mkdtemp(join(tmpdir(), 'corral-cli-'));
  t.after(() => rm(currentDirectory, { recursive: true, force: true }));
  await using daemon = await FakeDaemon.start({
    'backup.show': () => backup,
    'backup.findings': () => ({ items: [...findings], next: null }),
  });
  const args = ['backup', 'show', 'nightly', '--screenshot', 'a.png', '--socket', daemon.socketPath];
  for (let time = 1; time < times; time += 1) await runCli(args, { currentDirectory });
  return { ...(await runCli(args, { currentDirectory })), file: join(currentDirectory, 'a.png') };
}

test('the newest picture is written to a file', async (t) => {
  const pictures = [null, 'new', 'old'].map((text) => finding(text && Buffer.from(text).toString('base64')));
  const { exitCode, file } = await shown(t, pictures);
  assert.equal(exitCode, 0);
  assert.equal(await readFile(file, 'utf8'), 'new');
});

test('where no test kept one it is said, and no file is overwritten', async (t) => {
  const { stderr } = await shown(t, [finding(null)]);
  assert.match(stderr, /corral backup verify/);
  const again = await shown(t, [finding('bmV3')], 2);
  assert.match(again.stderr, /EEXIST/);
});
