import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VmCreate } from '@corral/api/schemas/vm';
import { slotCount, VmSettings } from '@corral/api/schemas/vm-settings';
import fc from 'fast-check';
import { countingFacts, request, samplePlan, sampleVm } from '../testing/sample-vm.ts';
import { planDisk, planPort, planVm } from './plan-vm.ts';

const diskImage = {
  id: '00000000-0000-4000-8000-00000000abcd',
  profile: 'linux',
  kind: 'disk',
  path: '/images/debian.qcow2',
  format: 'qcow2',
  sizeBytes: 2 ** 31,
  seal: { lengthBytes: 200_000, modifiedNs: '1700000000000000000' },
} as const;

describe('the plan of a VM', () => {
  it('is settings that the schema accepts, and a making for each disk', () => {
    const arbitrary = fc.record({
      disks: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 }),
      ports: fc.integer({ min: 0, max: 4 }),
      profile: fc.constantFrom('linux', 'windows', 'micro'),
      firmware: fc.constantFrom('bios', 'uefi', undefined),
    });
    fc.assert(
      fc.property(arbitrary, ({ disks, ports, profile, firmware }) => {
        const asked = VmCreate.parse({
          name: 'x',
          disks: disks.map((name) => ({ name, sizeBytes: 1_000_001 })),
          ports: Array.from({ length: ports }, () => ({ network: 'user' })),
          profile,
          ...(firmware ? { firmware } : {}),
        });
        const { settings, makings } = planVm(asked, countingFacts());
        assert.deepEqual(VmSettings.parse(settings), settings);
        assert.deepEqual(Object.keys(makings), disks);
        const slots = [...settings.disks, ...settings.ports]
          .map(({ slot }) => slot)
          .filter((slot) => slot !== null);
        assert.equal(new Set(slots).size, slots.length, 'no slot is given twice');
      }),
    );
  });

  it('copies the disk of an image unless it is linked', () => {
    const copied = samplePlan({ disks: [] }, { image: diskImage });
    assert.deepEqual(copied.makings, {
      root: { kind: 'copy', source: '/images/debian.qcow2', sourceFormat: 'qcow2' },
    });
    const linked = samplePlan({ disks: [], linked: true }, { image: diskImage });
    const { id, path, format, seal } = diskImage;
    assert.deepEqual(linked.settings.disks[0]?.parents, [{ id, path, format, shared: true, seal }]);
  });

  it('enlarges the disk of an image and never makes it smaller', () => {
    const larger = samplePlan({ disks: [{ name: 'root', sizeBytes: 2 ** 33 }] }, { image: diskImage });
    assert.equal(larger.settings.disks[0]?.sizeBytes, 2 ** 33);
    assert.throws(() => samplePlan({ disks: [{ name: 'root', sizeBytes: 512 }] }, { image: diskImage }), {
      code: 'vm.bad-disk',
    });
  });

  it('gives Windows what it has drivers for before virtio is there', () => {
    const vm = sampleVm({ profile: 'windows' });
    assert.deepEqual(
      [vm.firmware, vm.secureBoot, vm.tpm, vm.disks[0]?.bus, vm.ports[0]?.model],
      ['uefi', true, true, 'sata', 'e1000'],
    );
  });

  it('boots the CD before the disks', () => {
    assert.deepEqual(sampleVm({ iso: '/iso/debian.iso' }).bootOrder, ['cdrom', 'disk:data']);
  });

  it('refuses a boot device that is not there', () => {
    assert.throws(() => sampleVm({ bootOrder: ['disk:other'] }), { code: 'vm.bad-boot-device' });
  });

  it('refuses two disks of one name, and a disk without a size', () => {
    const twice = [
      { name: 'data', sizeBytes: 512 },
      { name: 'data', sizeBytes: 512 },
    ];
    assert.throws(() => sampleVm({ disks: twice }), { code: 'vm.disk-exists' });
    assert.throws(() => sampleVm({ disks: [{ name: 'data' }] }), { code: 'vm.bad-disk' });
  });

  it('imports a file from elsewhere, of whatever format, as what a VM runs on', () => {
    const sources = new Map([['/from/web.avhdx', { format: 'vhdx', sizeBytes: 2 ** 30 } as const]]);
    const { settings, makings } = samplePlan(
      { disks: [{ name: 'a', from: '/from/web.avhdx' }] },
      { sources },
    );
    const [disk] = settings.disks;
    assert.deepEqual([disk?.format, disk?.sizeBytes, disk?.parents], ['qcow2', 2 ** 30, []]);
    assert.deepEqual(makings, {
      a: { kind: 'import', source: '/from/web.avhdx', sourceFormat: 'vhdx', parents: [] },
    });
  });

  it('refuses Secure Boot with a BIOS', () => {
    assert.throws(() => sampleVm({ secureBoot: true }), { code: 'vm.needs-uefi' });
    assert.equal(sampleVm({ secureBoot: true, firmware: 'uefi' }).secureBoot, true);
    assert.equal(sampleVm({ profile: 'windows', firmware: 'bios' }).secureBoot, false);
  });

  it('refuses a disk that is to be made from two things', () => {
    const both = [{ name: 'data', from: '/a', device: '/dev/sdb' }];
    assert.throws(() => planVm(request({ disks: both }), countingFacts()), { code: 'vm.bad-disk' });
  });
});

describe('what is added to a VM', () => {
  it('takes the lowest free slot, until there is none', () => {
    const vm = sampleVm();
    for (let count = 2; count < slotCount; count += 1) {
      const { disk } = planDisk(vm, { name: `d${count}`, sizeBytes: 512 }, countingFacts());
      assert.equal(disk.slot, count);
      vm.disks.push(disk);
    }
    assert.throws(() => planPort(vm, { network: 'user' }, countingFacts()), { code: 'vm.no-slot' });
  });

  it('names ports net0, net1 and so on', () => {
    assert.equal(planPort(sampleVm(), { network: 'user' }, countingFacts()).name, 'net1');
  });
});
