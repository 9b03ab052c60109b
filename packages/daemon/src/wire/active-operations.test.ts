import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OperationSnapshot } from '@corral/operation/operation';
import { ActiveOperations } from './active-operations.ts';
import { operationMetrics } from './operation-metrics.ts';

const operation = (
  id: string,
  state: OperationSnapshot['state'],
  targets: readonly string[] = ['vm/1', 'vm/2'],
): OperationSnapshot => ({ id, kind: 'vm.clone', state, targets }) as unknown as OperationSnapshot;

test('each operation is counted once while it is under way, with or without a resource', () => {
  const active = new ActiveOperations();
  active.note(operation('a', 'running'));
  active.note(operation('b', 'running', []));
  active.note(operation('c', 'pending'));
  active.note(operation('d', 'stuck', []));
  const count = () => operationMetrics(active).samples.map(({ labels, value }) => [labels['state'], value]);
  assert.deepEqual(count(), [
    ['running', 2],
    ['pending', 1],
    ['stuck', 1],
  ]);
  for (const id of ['a', 'b', 'c', 'd']) active.note(operation(id, 'succeeded'));
  assert.deepEqual(count(), []);
});

test('a resource is busy while an operation holds it', () => {
  const active = new ActiveOperations();
  active.note(operation('a', 'running'));
  assert.equal(active.on('vm/1')?.id, 'a');
  assert.deepEqual([...active.busy('vm')], ['1', '2']);
  active.note(operation('a', 'failed'));
  assert.equal(active.on('vm/1'), null);
});
