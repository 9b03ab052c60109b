import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryStore } from '@corral/store/memory-store';
import { countingFacts, request } from '../testing/sample-vm.ts';
import { planVm } from './plan-vm.ts';
import { type VmRecord, VmRecords } from './vm-record.ts';

function record(name: string, facts = countingFacts()): VmRecord {
  return {
    settings: planVm(request({ name }), facts).settings,
    uid: null,
    process: null,
    saved: null,
    checkpointId: null,
  };
}

describe('records of VMs', () => {
  it('are found by name and by id', async () => {
    await using store = openMemoryStore();
    const records = new VmRecords(store);
    const web = record('web1');
    await records.create(web);
    assert.deepEqual(await records.get('web1'), web);
    assert.deepEqual(await records.get(web.settings.id.toUpperCase()), web);
    await assert.rejects(records.get('web2'), { code: 'vm.not-found' });
  });

  it('refuse a name that is taken, but not the same VM again', async () => {
    await using store = openMemoryStore();
    const records = new VmRecords(store);
    const facts = countingFacts();
    const first = record('web1', facts);
    await records.create(first);
    await records.create(first);
    await assert.rejects(records.create(record('web1', facts)), { code: 'vm.name-taken' });
  });

  it('move the name when a VM is renamed', async () => {
    await using store = openMemoryStore();
    const records = new VmRecords(store);
    const facts = countingFacts();
    const first = record('web1', facts);
    const second = record('web2', facts);
    await records.create(first);
    await records.create(second);
    const rename = (name: string) => (current: VmRecord) => ({
      ...current,
      settings: { ...current.settings, name },
    });
    await assert.rejects(records.update(first.settings.id, rename('web2')), { code: 'vm.name-taken' });
    await records.update(first.settings.id, rename('db1'));
    assert.equal(await records.find('web1'), null);
    assert.equal((await records.get('db1')).settings.id, first.settings.id);
  });

  it('lose no change when two are made at once', async () => {
    await using store = openMemoryStore();
    const records = new VmRecords(store);
    const web = record('web1');
    await records.create(web);
    const grow = (current: VmRecord): VmRecord => ({
      ...current,
      settings: { ...current.settings, generation: current.settings.generation + 1 },
    });
    await Promise.all(Array.from({ length: 10 }, () => records.update(web.settings.id, grow)));
    assert.equal((await records.get('web1')).settings.generation, 11);
  });

  it('give each VM a user of its own, and the same again', async () => {
    await using store = openMemoryStore();
    const records = new VmRecords(store);
    const uids = await Promise.all(['a', 'b', 'c'].map((id) => records.reserveUid(id, 1000)));
    assert.deepEqual([...uids].sort(), [1000, 1001, 1002]);
    assert.equal(await records.reserveUid('b', 1000), uids[1]);
    await records.releaseUid(uids[0]!);
    assert.equal(await records.reserveUid('d', 1000), uids[0]);
  });
});
