/** A backup is proved by running it, and nothing of that is left. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { backedUp, connectedRepository } from '../support/backups.ts';
import { bootedGuest } from '../support/guests.ts';
import { succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

describe('a backup is verified', () => {
  it('by its agent, by its console, and not if neither says anything', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await connectedRepository(client, host.data);
    await bootedGuest(client, {
      name: 'a',
      disks: [{ name: 'data', sizeBytes: 2 ** 27, filesystem: 'ext4' }],
    });
    const backup = await backedUp(client, 'a');

    const passed = await succeeded(client, client.restore.verify(backup, {}));
    assert.deepEqual(picked(passed.output), ['passed', 'agent', true]);
    const silent = { console: 'this text is nowhere', limitMs: 2_000 };
    const failed = await succeeded(client, client.restore.verify(backup, silent));
    assert.deepEqual(picked(failed.output), ['failed', 'console', true]);

    const { verification } = await client.backup.show(backup, {});
    assert.deepEqual(verification?.outcome, 'failed');
    const { items } = await client.backup.findings(backup, {});
    assert.deepEqual(
      items.map(({ outcome, screenshot }) => [outcome, screenshot?.startsWith(pngInBase64)]),
      [
        ['failed', true],
        ['passed', true],
      ],
    );
    assert.deepEqual(
      (await client.vm.list({})).items.map(({ name }) => name),
      ['a'],
    );
    const { id } = await client.vm.show('a');
    assert.deepEqual(await readdir(join(host.data, 'vms')), [id]);
    assert.deepEqual(await readdir(join(host.data, 'run')), [id]);
  });
});

/** The signature of a PNG file. */
const pngInBase64 = Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a).toString('base64');

function picked(output: unknown): unknown[] {
  const { outcome, method, screenshot } = output as Record<string, unknown>;
  return [outcome, method, screenshot];
}
