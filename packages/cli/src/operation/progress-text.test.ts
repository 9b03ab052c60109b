import assert from 'node:assert/strict';
import test from 'node:test';
import { sampleOperation } from '../testing/samples.ts';
import { progressKey, progressText } from './progress-text.ts';

test('an operation tells what it does and how far it is', () => {
  const bytes = { done: 2 ** 29, total: 2 ** 30, unit: 'bytes' as const, message: 'copy the image' };
  const cases: readonly (readonly [Parameters<typeof sampleOperation>[0], string])[] = [
    [{}, 'Start VM web1: launch'],
    [{ steps: [] }, 'Start VM web1'],
    [{ state: 'pending', steps: [] }, 'Start VM web1: waits for its turn'],
    [{ progress: bytes }, 'Start VM web1: copy the image, 50 % (512 MiB of 1 GiB)'],
    [{ progress: { ...bytes, total: null } }, 'Start VM web1: copy the image'],
    [
      { progress: { ...bytes, unit: 'percent', done: 33, total: 100 } },
      'Start VM web1: copy the image, 33 %',
    ],
    [{ progress: { ...bytes, total: 0 } }, 'Start VM web1: copy the image'],
    [
      { state: 'undoing', steps: [{ name: 'copy-disks', state: 'undoing', attempts: 1 }] },
      'Start VM web1: being undone: copy disks',
    ],
  ];
  for (const [change, expected] of cases) assert.equal(progressText(sampleOperation(change)), expected);
});

test('a line of its own is worth another step or another tenth', () => {
  const at = (done: number) =>
    progressKey(sampleOperation({ progress: { done, total: 1000, unit: 'items', message: 'x' } }));
  assert.equal(at(101), at(199));
  assert.notEqual(at(199), at(200));
  assert.notEqual(progressKey(sampleOperation()), progressKey(sampleOperation({ state: 'undoing' })));
});
