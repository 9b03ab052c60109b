/** The seed as an ISO image: what is written can be read, and renewed for a clone. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { isCorralError } from '@corral/core/errors';
import { makeSeedImage, renewSeedImage } from '@corral/image/seed/seed-image';

const execute = promisify(execFile);
const userData = '#!/bin/sh\necho hello\n';

test('a seed that is renewed keeps its user data and its label, and has another instance id', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-seed-test-'));
  t.after(() => rm(folder, { recursive: true }));
  const [first, second] = [join(folder, 'first.iso'), join(folder, 'second.iso')];
  await writeFile(first, await makeSeedImage({ instanceId: 'a1', hostname: 'web1', userData }));
  const renewal = { instanceId: 'b2', hostname: { from: 'web1', to: 'web2' } };
  await writeFile(second, await renewSeedImage(first, renewal));
  const read = async (path: string): Promise<string> => {
    const target = join(folder, 'file');
    await execute('xorriso', ['-osirrox', 'on', '-indev', second, '-extract', path, target]);
    const { stdout } = await execute('cat', [target]);
    await rm(target);
    return stdout;
  };
  assert.equal(await read('/user-data'), userData);
  assert.equal(await read('/meta-data'), 'instance-id: b2\nlocal-hostname: web2\n');
  const { stdout } = await execute('blkid', ['-o', 'value', '-s', 'LABEL', second]);
  assert.equal(stdout.trim(), 'cidata');
});

test('a file that is no seed is refused', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-seed-test-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'seed.iso');
  await writeFile(path, 'no image');
  await assert.rejects(
    renewSeedImage(path, { instanceId: 'b2', hostname: { from: 'a', to: 'b' } }),
    (cause: unknown) => isCorralError(cause, 'image.bad-seed'),
  );
});
