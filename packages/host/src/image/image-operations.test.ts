import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DataDirectory } from '../data-directory.ts';
import { sampleState, vmOn } from '../testing/sample-chains.ts';
import type { VmRecords } from '../vm/vm-record.ts';
import { usersOf } from './image-operations.ts';

it('an image is in use by whoever has a layer of it, a checkpoint of a VM that stands elsewhere by now too', async () => {
  const directory = new DataDirectory('/data');
  const { vm } = sampleState(vmOn(['top']), []);
  const { id, name } = vm.settings;
  const users = (files: readonly string[]) =>
    usersOf(
      { directory, vms: { list: async () => [vm] } as unknown as VmRecords, filesOf: async () => files },
      'golden',
    );
  assert.deepEqual(await users(['/data/images/golden/disk.qcow2']), [{ id, name }]);
  assert.deepEqual(await users(['/data/images/golden-2/disk.qcow2', `/data/vms/${id}/disks/top.qcow2`]), []);
});
