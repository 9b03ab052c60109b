import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { chooseAccelerator } from './choose-accelerator.ts';

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-accelerator-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** QEMU must not be needed: what is called is not there. */
const qemu = '/nowhere/qemu-system-x86_64';
const guest = { kernel: '/nowhere/vmlinuz', initrd: null };

test('without a device there is no trial and nothing is stored', async (t) => {
  const folder = await makeFolder(t);
  const verdict = await chooseAccelerator({
    qemu,
    qemuVersion: '10.0.2',
    guest,
    storedAt: join(folder, 'accelerator.json'),
    kvmDevice: join(folder, 'kvm'),
  });
  assert.equal(verdict.kind, 'tcg');
  assert.match(verdict.reason, /There is no .*virtualisation is off/);
  assert.deepEqual(await readdir(folder), []);
});

test('a stored verdict holds for the same kernel, processor and QEMU, and for no other', async (t) => {
  const folder = await makeFolder(t);
  const storedAt = join(folder, 'accelerator.json');
  const kvmDevice = join(folder, 'kvm');
  await writeFile(kvmDevice, '');
  const stored = {
    ...{ version: 1, kernel: release(), processor: cpus()[0]?.model ?? 'unknown', qemu: '10.0.2' },
    ...{ kind: 'kvm', ratio: 5, reason: 'In a trial run.' },
  };
  const options = { qemu, guest: null, storedAt, kvmDevice };
  await writeFile(storedAt, JSON.stringify(stored));
  const expected = { kind: 'kvm', ratio: 5, reason: 'In a trial run.' };
  assert.deepEqual(await chooseAccelerator({ ...options, qemuVersion: '10.0.2' }), expected);
  const other = await chooseAccelerator({ ...options, qemuVersion: '10.0.3' });
  assert.match(other.reason, /no guest is at hand to prove/);
});

test('a damaged verdict is no verdict', async (t) => {
  const folder = await makeFolder(t);
  const storedAt = join(folder, 'accelerator.json');
  const kvmDevice = join(folder, 'kvm');
  await writeFile(kvmDevice, '');
  for (const text of ['', '{', '{"version":2}', 'null']) {
    await writeFile(storedAt, text);
    const verdict = await chooseAccelerator({ qemu, qemuVersion: '10', guest: null, storedAt, kvmDevice });
    assert.equal(verdict.kind, 'tcg');
  }
});

test('where no run works the reason says why', async (t) => {
  const folder = await makeFolder(t);
  const kvmDevice = join(folder, 'kvm');
  await writeFile(kvmDevice, '');
  const storedAt = join(folder, 'accelerator.json');
  const verdict = await chooseAccelerator({ qemu, qemuVersion: '10', guest, storedAt, kvmDevice });
  assert.equal(verdict.kind, 'tcg');
  assert.match(verdict.reason, /ENOENT/);
});
