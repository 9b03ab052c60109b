/** The trial of the accelerators with a real guest, on whatever this machine has. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { raceAccelerators } from '@corral/host/accelerator/accelerator-race';
import { chooseAccelerator } from '@corral/host/accelerator/choose-accelerator';
import { judgeRace } from '@corral/host/accelerator/judge-race';
import { MICRO_IMAGE } from '../qemu/support/guest.ts';
import { QEMU } from '../qemu/support/machine.ts';
import { missing } from '../qemu/support/tool-process.ts';
import { workDirectory } from '../qemu/support/work-directory.ts';

const skip = missing(QEMU) || (!MICRO_IMAGE && 'the micro image is not built: run npm start');
const guest = (initrd: boolean) => ({
  kernel: `${MICRO_IMAGE!.folder}/vmlinuz`,
  initrd: initrd ? `${MICRO_IMAGE!.folder}/initrd` : null,
});

for (const initrd of [true, false]) {
  test(`the emulator runs the trial ${initrd ? 'of the micro image' : 'of a bare kernel'} to its end`, {
    skip,
  }, async () => {
    const race = await raceAccelerators({ qemu: QEMU, guest: guest(initrd) });
    assert.ok(
      race.tcg.outcome === 'finished' || race.kvm.outcome === 'finished',
      `nothing ended: ${JSON.stringify(race)}`,
    );
    assert.match(judgeRace(race).reason, /KVM/);
  });
}

test('the verdict is stored where there is a device to prove, and read the next time', { skip }, async () => {
  await using directory = await workDirectory();
  const options = { qemu: QEMU, qemuVersion: 'test', storedAt: directory.file('accelerator.json') };
  const first = await chooseAccelerator({ ...options, guest: guest(true) });
  if (!existsSync('/dev/kvm')) {
    assert.equal(first.kind, 'tcg');
    return;
  }
  const stored = JSON.parse(await readFile(options.storedAt, 'utf8')) as { readonly kind: string };
  assert.equal(stored.kind, first.kind);
  // Nothing to boot: only the stored verdict can answer.
  assert.deepEqual(await chooseAccelerator({ ...options, guest: null }), first);
});

test('a trial that is cancelled ends its guests', { skip }, async () => {
  const controller = new AbortController();
  const race = raceAccelerators({ qemu: QEMU, guest: guest(true), signal: controller.signal });
  controller.abort(new Error('enough'));
  await assert.rejects(race, /enough/);
});
