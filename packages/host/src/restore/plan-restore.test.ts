import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { countingFacts, sampleVm } from '../testing/sample-vm.ts';
import { detachedDisks, inPlaceSettings, newVmSettings, standingOnBackup } from './plan-restore.ts';
import { isolated } from './temporary-vm.ts';

const saved: VmSettings = {
  ...sampleVm({
    disks: [
      { name: 'system', sizeBytes: 2 ** 30 },
      { name: 'data', sizeBytes: 2 ** 30, format: 'raw' },
    ],
    bootOrder: ['disk:system', 'disk:data', 'port:net0'],
    autostart: { order: 1, delayMs: 0 },
    iso: '/isos/installer.iso',
  }),
  generation: 7,
};
const disks = saved.disks.map(({ name, sizeBytes }) => ({ name, sizeBytes }));

/** Unlike those that the sample was made with. */
const facts = () => {
  const counting = countingFacts();
  return { ...counting, newId: () => counting.newId().replace(/^0{8}/, 'ffffffff') };
};

describe('a new VM from a backup', () => {
  it('is the machine that was lost when nobody has its id', () => {
    const made = newVmSettings(saved, disks, { name: 'web1', newId: false }, facts());
    VmSettings.parse(made);
    assert.deepEqual([made.id, made.ports], [saved.id, saved.ports]);
    assert.deepEqual(
      made.disks.map(({ id }) => id),
      saved.disks.map(({ id }) => id),
    );
    assert.deepEqual(made.autostart, saved.autostart);
    assert.equal(made.generation, 8);
    assert.notEqual(made.generationId, saved.generationId);
  });

  it('shares nothing that identifies it when it is another one', () => {
    const made = newVmSettings(saved, disks, { name: 'web2', newId: true }, facts());
    VmSettings.parse(made);
    const ids = ({ disks: all, generationId, id, ports }: VmSettings): string[] => [
      id,
      generationId,
      ...all.flatMap((disk) => [disk.id, disk.layerId]),
      ...ports.map((port) => port.id),
    ];
    const before = new Set(ids(saved));
    assert.ok(ids(made).every((id) => !before.has(id)));
    assert.deepEqual([made.name, made.generation, made.autostart], ['web2', 1, null]);
  });

  it('has its disks in one file each, of the size that the backup says, whatever chain they had', () => {
    const layered = { ...saved, disks: saved.disks.map((disk) => ({ ...disk, parents: [layerOf(disk)] })) };
    const larger = disks.map((disk) => ({ ...disk, sizeBytes: 2 ** 31 }));
    const made = newVmSettings(layered, larger, { name: 'web2', newId: true }, facts());
    assert.deepEqual(
      made.disks.map(({ parents, path, sizeBytes }) => [parents, path, sizeBytes]),
      [
        [[], 'disks/system.qcow2', 2 ** 31],
        [[], 'disks/data.raw', 2 ** 31],
      ],
    );
  });

  it('has neither disks that are in no backup nor devices of the host, and does not boot from them', () => {
    const withDevice = {
      ...saved,
      disks: saved.disks.map((disk) => ({ ...disk, passThrough: disk.name === 'data' })),
    };
    const made = newVmSettings(withDevice, disks, { name: 'web2', newId: true }, facts());
    assert.deepEqual(
      made.disks.map(({ name }) => name),
      ['system'],
    );
    assert.deepEqual(made.bootOrder, ['disk:system', 'port:net0']);
  });
});

describe('a restore in place', () => {
  it('is the machine of the backup, called and treated as the present one', () => {
    const present = { ...saved, name: 'renamed', generation: 12, autostart: null, cpus: 16 };
    const made = inPlaceSettings(present, saved, disks, facts());
    VmSettings.parse(made);
    assert.deepEqual(
      [made.name, made.generation, made.autostart, made.cpus],
      ['renamed', 13, null, saved.cpus],
    );
  });

  it('puts each new file beside the one that it replaces, under another name', () => {
    const elsewhere = '/srv/fast/corral/vms/x/disks/data.raw';
    const present = {
      ...saved,
      disks: saved.disks.map((disk) => (disk.name === 'data' ? { ...disk, path: elsewhere } : disk)),
    };
    const made = inPlaceSettings(present, saved, disks, facts());
    const [system, data] = made.disks;
    assert.match(system!.path, /^disks\/system\.ffffffff-.*\.qcow2$/);
    assert.match(data!.path, /^\/srv\/fast\/corral\/vms\/x\/disks\/data\.ffffffff-.*\.raw$/);
  });

  it('names the disks that it does not plug in again', () => {
    const made = inPlaceSettings(saved, saved, disks.slice(0, 1), facts());
    assert.deepEqual(
      detachedDisks(saved, made).map(({ name }) => name),
      ['data'],
    );
  });
});

describe('a VM that stands on its backup', () => {
  it('has an empty layer on each disk of the backup, and a socket for each', () => {
    const backup = { repositoryId: saved.id, pointId: saved.generationId };
    const made = standingOnBackup(saved, backup, { ...facts(), socketOf: (index) => `/run/${index}.sock` });
    VmSettings.parse(made);
    assert.deepEqual(
      made.disks.map(({ format, parents }) => [format, parents[0]?.path, parents[0]?.point?.disk]),
      [
        ['qcow2', '/run/0.sock', 'system'],
        ['qcow2', '/run/1.sock', 'data'],
      ],
    );
  });

  it('reaches nothing outside when it is only tried', () => {
    const made = isolated(saved);
    assert.deepEqual([made.ports, made.iso, made.autostart], [[], null, null]);
    assert.deepEqual(made.bootOrder, ['disk:system', 'disk:data']);
  });
});

function layerOf({ id }: { readonly id: string }): VmSettings['disks'][number]['parents'][number] {
  return { id, format: 'qcow2', path: 'disks/old.qcow2', shared: false, seal: null };
}
