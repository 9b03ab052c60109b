import assert from 'node:assert/strict';
import test from 'node:test';
import type { VmRegister } from '@corral/api/schemas/registration';
import { sampleCheckpoint, vmOn } from '../testing/sample-chains.ts';
import { judgeRegistration, type RegistrationFacts } from './judge-registration.ts';
import { planRegistration } from './plan-registration.ts';
import type { Registrable } from './read-registrable.ts';

const settings = vmOn(['b', 'a']);
const port = { ...settings.ports[0]!, network: 'bridge:lan' };
const memory = { savedAt: '', sizeBytes: 7, crc32: 0, qemuVersion: '7.2.0', applied: vmOn(['a']) };
const found: Registrable = {
  directory: '/srv/x',
  settings: { ...settings, ports: [port] },
  export: null,
  checkpoints: [
    {
      format: 'corral-checkpoint/1',
      current: true,
      checkpoint: sampleCheckpoint('one', ['a'], { memory, consistency: 'memory', state: 'running' }),
    },
  ],
  toConvert: [],
  savedMemory: false,
  problems: [],
  differentials: [],
};
const facts: RegistrationFacts = {
  missingBridges: [],
  totalMemoryBytes: 2 ** 40,
  machineTypes: new Set([settings.version.machineType]),
  nameTaken: false,
  idTaken: false,
  atHome: false,
  closedFolder: null,
};
const request: VmRegister = {
  directory: '/srv/x',
  copy: false,
  newId: false,
  switches: {},
  differentials: [],
};
let count = 0;
const ids = { newId: () => `new-${++count}`, newMac: () => '52:54:00:aa:aa:aa' };

const problems = (change: Partial<RegistrationFacts>, asked = request) =>
  judgeRegistration(found, asked, { ...facts, ...change })
    .filter(({ severity }) => severity === 'problem')
    .map(({ subject, fix }) => [subject, fix]);

test('what fits has no problem', () => {
  assert.deepEqual(problems({}), []);
});

test('each thing that does not fit is named with its fix', () => {
  assert.deepEqual(problems({ missingBridges: ['lan'] }), [
    ['port net0', '--switch bridge:lan=bridge:NAME, or --switch bridge:lan=user'],
  ]);
  const switches = { 'bridge:lan': 'user' };
  assert.deepEqual(problems({ missingBridges: ['lan'] }, { ...request, switches }), []);
  assert.deepEqual(problems({ machineTypes: new Set() })[0]?.[0], 'machine type');
  assert.deepEqual(problems({ nameTaken: true })[0]?.[0], 'name');
  assert.deepEqual(problems({ idTaken: true })[0], ['id', '--copy --new-id']);
  assert.deepEqual(problems({ closedFolder: '/root' }), [['folder', 'chmod o+x /root, or --copy']]);
  assert.deepEqual(problems({ atHome: true }, { ...request, newId: true })[0]?.[0], 'id');
});

test('checkpoints get the networks of this host as well; what they lack is a note', () => {
  const [file] = found.checkpoints;
  const onLan = { ...file!.checkpoint.settings, ports: [port] };
  const memoryOnLan = { ...memory, applied: onLan };
  const checkpoint = { ...file!.checkpoint, settings: onLan, memory: memoryOnLan };
  const old = { ...found, settings, checkpoints: [{ ...file!, checkpoint }] };
  const missing = { ...facts, missingBridges: ['lan'] };
  assert.deepEqual(
    judgeRegistration(old, request, missing).map(({ severity, subject }) => [severity, subject]),
    [['note', 'checkpoint one']],
  );
  const asked = { ...request, switches: { 'bridge:lan': 'user' } };
  assert.deepEqual(judgeRegistration(old, asked, missing), []);
  const [planned] = planRegistration(old, asked, ids).checkpoints;
  assert.deepEqual(
    [planned?.settings, planned?.memory?.applied].map((vm) => vm?.ports[0]?.network),
    ['user', 'user'],
  );
});

test('more memory than the host has is a note: the VM can be given less', () => {
  const [finding] = judgeRegistration(found, request, { ...facts, totalMemoryBytes: 1 });
  assert.deepEqual([finding?.severity, finding?.subject], ['note', 'memory']);
});

test('the same VM keeps its id, its memory and where it stands', () => {
  const plan = planRegistration(found, request, ids);
  assert.deepEqual([plan.settings.id, plan.checkpointId], [settings.id, 'one']);
  assert.equal(plan.checkpoints[0]?.memory?.sizeBytes, 7);
  assert.ok(plan.settings.generation > settings.generation);
  assert.notEqual(plan.settings.generationId, settings.generationId);
});

test('with a new id nothing that identifies the first VM is seen twice', () => {
  const plan = planRegistration(found, { ...request, newId: true, name: 'web2', copy: true }, ids);
  const [checkpoint] = plan.checkpoints;
  assert.notEqual(plan.settings.id, settings.id);
  assert.deepEqual(
    [plan.settings.name, checkpoint?.settings.id, checkpoint?.vmId],
    ['web2', plan.settings.id, plan.settings.id],
  );
  assert.notEqual(plan.settings.ports[0]?.mac, port.mac);
  assert.deepEqual([checkpoint?.memory, checkpoint?.state, checkpoint?.consistency], [null, 'off', 'crash']);
});

test('neither image nor ISO of the old host is taken over, in checkpoints neither', () => {
  const iso = '/etc/shadow';
  const [file] = found.checkpoints;
  const hostile = { ...file!.checkpoint, settings: { ...file!.checkpoint.settings, iso } };
  const from = {
    ...found,
    settings: { ...found.settings, iso },
    checkpoints: [{ ...file!, checkpoint: hostile }],
  };
  const plan = planRegistration(from, request, ids);
  assert.deepEqual([plan.settings.iso, plan.checkpoints[0]?.settings.iso], [null, null]);
});
