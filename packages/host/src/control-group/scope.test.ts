import assert from 'node:assert/strict';
import test from 'node:test';
import { groupPath, isInScope, scopeLimits, startScopeArguments } from './scope.ts';

const MiB = 2 ** 20;
const vm = { id: '7d1f', name: 'web1', cpus: 2, memoryBytes: 256 * MiB };

/** The properties of the call, read back as busctl(1) does. */
function propertiesOf(args: readonly string[]): Map<string, readonly string[]> {
  const [count, ...rest] = args.slice(args.indexOf('fail') + 1);
  const properties = new Map<string, readonly string[]>();
  for (let read = 0; read < Number(count); read += 1) {
    const [name, signature] = rest.splice(0, 2);
    const isArray = signature!.startsWith('a');
    properties.set(name!, rest.splice(0, isArray ? Number(rest.shift()) : 1));
  }
  assert.deepEqual(rest, ['0'], 'all that is left is that it starts no other unit');
  return properties;
}

test('systemd is asked for a scope of the VM with its processes', () => {
  const args = startScopeArguments({ vm, pids: [11, 12] });
  assert.deepEqual(args.slice(5, 9), [
    'StartTransientUnit',
    'ssa(sv)a(sa(sv))',
    'corral-vm-7d1f.scope',
    'fail',
  ]);
  const properties = propertiesOf(args);
  assert.deepEqual(properties.get('PIDs'), ['11', '12']);
  assert.deepEqual(properties.get('Slice'), ['corral.slice']);
  assert.deepEqual(properties.get('Before'), ['corral-guests.service'], 'it ends after the VMs were saved');
  assert.deepEqual(properties.get('CollectMode'), ['inactive-or-failed']);
  assert.deepEqual(properties.get('MemoryMax'), [String(scopeLimits(vm).memoryBytes)]);
  assert.deepEqual(properties.get('CPUQuotaPerSecUSec'), ['4000000']);
  assert.deepEqual(properties.get('TasksMax'), ['1026']);
});

test('the ceiling for memory leaves room for what QEMU does beside the guest', () => {
  const { memoryBytes } = scopeLimits(vm);
  assert.ok(memoryBytes >= vm.memoryBytes + 1024 * MiB);
  assert.ok(memoryBytes <= vm.memoryBytes + 1200 * MiB);
});

test("a process' group is read from what the kernel tells", () => {
  const inside = '0::/corral.slice/corral-vm-7d1f.scope\n';
  assert.equal(groupPath(inside), '/corral.slice/corral-vm-7d1f.scope');
  assert.equal(isInScope(inside, '7d1f'), true);
  assert.equal(isInScope(inside, '7d1'), false);
  assert.equal(isInScope('0::/system.slice/corrald.service\n', '7d1f'), false);
  assert.equal(isInScope('4:memory:/corral-vm-7d1f.scope\n', '7d1f'), false, 'control groups v1');
});
