import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { faultObserver, parseFaults } from './fault.ts';

const point = { operationId: '1', kind: 'vm.create', step: 'make-disks', phase: 'before' } as const;

test('a fault strikes at its point, once', async () => {
  const observer = faultObserver(
    parseFaults('vm.create/make-disks/before=fail, vm.create/make-disks/after=halt'),
  );
  await observer({ ...point, step: 'other' });
  await assert.rejects(
    async () => observer(point),
    (e) => isCorralError(e, 'operation.injected'),
  );
  await observer(point);
  await assert.rejects(
    async () => observer({ ...point, phase: 'after' }),
    /halted at vm.create\/make-disks\/after/,
  );
});

test('what is no fault is refused with the form of one', () => {
  for (const text of [
    '',
    'x',
    'a/b=fail',
    'a/b/now=fail',
    'a/b/before=explode',
    'a/b/after=fail',
    'a/b/after-undo=fail',
  ]) {
    assert.throws(
      () => parseFaults(text),
      (e) => isCorralError(e, 'operation.bad-fault') && /kind\/step\/phase/.test(e.message),
    );
  }
});
