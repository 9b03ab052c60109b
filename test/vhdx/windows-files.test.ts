/** Single files out of a backup of a disk that Windows made: its partition, its NTFS. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { backupOfDisks } from '../support/backups.ts';
import { succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';
import { samplesMissing, unpack } from './shared-samples.ts';

test('what Windows wrote is listed', { skip: samplesMissing }, async () => {
  await using host = await TestHost.start();
  const { client, data } = host;
  const windows = await unpack('dfvfs/ntfs-dynamic.vhdx.gz', join(data, 'windows'));
  const backup = await backupOfDisks(host, { windows });
  const place = { disk: 'windows', path: '/1' };
  const { output } = await succeeded(client, client.restore.listFiles(backup, place));
  const { entries } = output as { entries: { name: string; type: string }[] };
  assert.deepEqual(
    entries.map(({ name, type }) => [name, type]),
    [
      ['System Volume Information', 'directory'],
      ['a_directory', 'directory'],
      ['a_link', 'link'],
      ['passwords.txt', 'file'],
    ],
  );
});
