import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HeldPoint } from '@corral/backup/point/held-point';
import { sampleVm } from '../testing/sample-vm.ts';
import { machineFiles, savedSettings } from './point-machine.ts';

const root = '0'.repeat(64);
const named = (...names: string[]) => ({
  documents: names.map((name) => ({ name, sizeBytes: 1, root })),
});

/** A point with one document. */
function pointWith(name: string, content: string): HeldPoint {
  const point = { name: 'monday', ...named(name) };
  return { point, document: async () => Buffer.from(content) } as unknown as HeldPoint;
}

const { signal } = new AbortController();

describe('the files of a backup', () => {
  it('go where the VM has them', () => {
    const files = machineFiles(
      named('vm.json', 'firmware-variables.fd', 'tpm/tpm2-00.permall', 'boot/vmlinuz'),
    );
    assert.deepEqual(
      files.map(({ kind, path }) => [path, kind]),
      [
        ['firmware-variables.fd', 'state'],
        ['tpm/tpm2-00.permall', 'state'],
        ['boot/vmlinuz', 'boot'],
      ],
    );
  });

  for (const name of [
    'tpm/../../../etc/passwd',
    'tpm/..',
    'tpm/',
    'tpm//x',
    'tpm/.lock',
    'boot/a/b',
    'boot/-rf',
    'boot/a\0b',
    '/etc/passwd',
    '../firmware-variables.fd',
    'saved-memory',
    `boot/${'x'.repeat(200)}`,
  ]) {
    it(`leave out ${JSON.stringify(name.slice(0, 40))}`, () => {
      assert.deepEqual(machineFiles(named(name)), []);
    });
  }

  it('are taken once', () => {
    assert.equal(machineFiles(named('boot/vmlinuz', 'boot/vmlinuz')).length, 1);
  });
});

describe('the settings of a backup', () => {
  it('are read', async () => {
    const vm = sampleVm();
    assert.deepEqual(await savedSettings(pointWith('vm.json', JSON.stringify(vm)), signal), vm);
  });

  const vm = sampleVm();
  const bad = {
    'are not there': pointWith('other', ''),
    'are no JSON': pointWith('vm.json', '{'),
    'are of another form': pointWith('vm.json', '{"format":"corral-vm/9"}'),
    'name a disk twice': pointWith('vm.json', JSON.stringify({ ...vm, disks: [vm.disks[0], vm.disks[0]] })),
    'name a disk like a path': pointWith(
      'vm.json',
      JSON.stringify({ ...vm, disks: [{ ...vm.disks[0], name: '../../x' }] }),
    ),
  };
  for (const [what, point] of Object.entries(bad)) {
    it(`are refused when they ${what}`, async () => {
      await assert.rejects(savedSettings(point, signal), { code: 'restore.no-settings' });
    });
  }
});
