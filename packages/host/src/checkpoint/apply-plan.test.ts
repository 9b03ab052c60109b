import assert from 'node:assert/strict';
import test from 'node:test';
import { planFork } from '../chain/fork.ts';
import { layersOf, sampleCheckpoint, sampleState, vmOn } from '../testing/sample-chains.ts';
import { applied, planLayers } from './apply-plan.ts';

const generationId = '00000000-0000-4000-8000-00000000ffff';
const application = { checkpointId: 'one', generationId, seed: 'operation' };

test('the present stands on the checkpoint, with its settings and a new generation id', () => {
  const one = sampleCheckpoint('one', ['a'], { settings: vmOn(['a'], { cpus: 7, autostop: 'stop' }) });
  const present = vmOn(['c', 'b', 'a'], { name: 'renamed', generation: 9, autostop: 'save' });
  const { vm } = applied(sampleState(present, [one], { checkpointId: 'two' }), application);
  assert.equal(vm.checkpointId, 'one');
  assert.deepEqual(
    [vm.settings.name, vm.settings.cpus, vm.settings.generation, vm.settings.autostop],
    ['renamed', 7, 10, 'save'],
  );
  assert.equal(vm.settings.generationId, generationId);
  const [top, ...below] = layersOf(vm.settings);
  assert.ok(!['a', 'b', 'c'].includes(top!), 'a new layer to write to');
  assert.deepEqual(below, ['a']);
  assert.equal(vm.saved, null);
});

test('its memory is that of a saved VM, in a machine with the new layer and the new id', () => {
  const memory = { savedAt: '', sizeBytes: 7, crc32: 0, qemuVersion: '7.2.0', applied: vmOn(['a']) };
  const one = sampleCheckpoint('one', ['a'], { memory });
  const { vm } = applied(sampleState(vmOn(['b', 'a']), [one]), application);
  assert.equal(vm.saved?.applied.generationId, generationId);
  assert.deepEqual(layersOf(vm.saved!.applied), layersOf(vm.settings));
});

test('a second try changes nothing', () => {
  const one = sampleCheckpoint('one', ['a']);
  const once = applied(sampleState(vmOn(['b', 'a']), [one]), application);
  assert.deepEqual(applied(once, application), once);
});

test('the new layers are not those on which the old present ran after it was kept', () => {
  const kept = planFork(vmOn(['b', 'a']), application.seed);
  const made = planLayers(sampleCheckpoint('one', ['a']), application.seed);
  assert.notEqual(made[0]!.path, kept[0]!.path);
});
