import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { newId } from '@corral/core/ids';
import { stepOf, withFilesHost } from '../testing/files-host.ts';
import { sampleCheckpoint, sampleState, vmOn } from '../testing/sample-chains.ts';
import { volumeErrors } from '../volume/errors.ts';
import { deleteUnheld, layerPathsOf, unheld, withDoomed } from './layer-files.ts';
import { checkpointApply } from './operations/apply-checkpoint.ts';
import { topForks } from './operations/delete-checkpoint.ts';
import { checkpointExport } from './operations/export-checkpoint.ts';

const processOf = (settings: ReturnType<typeof vmOn>) => ({
  pid: 1,
  startTime: 1,
  bootId: '',
  startedAt: '',
  accelerator: 'tcg' as const,
  applied: settings,
});

test('files of a branch that goes are those that nobody else holds', () => {
  const gone = vmOn(['c', 'b', 'a']);
  const state = sampleState(vmOn(['d', 'a']), [sampleCheckpoint('one', ['b', 'a'])]);
  assert.deepEqual(unheld(state, layerPathsOf(gone)), ['disks/c.qcow2']);
});

test('a file that a merge has given to another state is held', () => {
  const state = sampleState(vmOn(['d']), []);
  const merged = {
    ...state.vm.settings,
    disks: state.vm.settings.disks.map((disk) => ({ ...disk, path: 'disks/a.qcow2' })),
  };
  assert.deepEqual(unheld(sampleState(merged, []), ['disks/a.qcow2', 'disks/d.qcow2']), ['disks/d.qcow2']);
});

test('the top of a running VM is put above what would otherwise be merged with it, once', () => {
  const settings = vmOn(['b', 'a']);
  const state = sampleState(settings, [], { process: processOf(settings) });
  const [fork, ...more] = topForks(state, 'operation');
  assert.deepEqual([fork?.sealedId, more.length], ['b', 0]);
  const again = sampleState(vmOn([fork!.id, 'b', 'a']), [], { process: processOf(settings) });
  assert.deepEqual(
    topForks(again, 'operation').map(({ id, sealedId }) => [id, sealedId]),
    [[fork!.id, 'b']],
    'a second try finishes the first',
  );
  assert.deepEqual(topForks(sampleState(settings, [sampleCheckpoint('one', ['a'])]), 'operation'), []);
});

test('a file of a branch that goes while it is read goes with its reader', () => {
  const gone = vmOn(['c', 'b', 'a']);
  const pin = {
    id: 'pin',
    vmId: gone.id,
    reason: 'a backup',
    createdAt: '',
    operationId: null,
    expiresAt: null,
    disks: gone.disks.map((disk) => ({
      diskId: disk.id,
      name: disk.name,
      sizeBytes: disk.sizeBytes,
      chain: disk.parents,
    })),
    doomed: [],
  };
  const state = { ...sampleState(vmOn(['d', 'a']), []), pins: [pin] };
  const doomed = withDoomed(state, layerPathsOf(gone));
  assert.deepEqual(doomed.pins[0]?.doomed, ['disks/b.qcow2'], 'not what the present stands on');
  assert.deepEqual(withDoomed(doomed, layerPathsOf(gone)), doomed, 'a second try changes nothing');
  assert.deepEqual(unheld(doomed, layerPathsOf(gone)), ['disks/c.qcow2']);
});

test('files on a volume that another host has taken by now stay there', async () => {
  const [here, there] = [newId(), newId()];
  const state = sampleState(vmOn([newId()]), []);
  const volumes = {
    of: async (path: string) => (path.includes(there) ? {} : null),
    standing: async () => ({ state: 'foreign' }),
  };
  await withFilesHost(
    state,
    [`${here}.qcow2`, `${there}.qcow2`],
    async ({ host, disks }) => {
      const paths = [here, there].map((id) => `disks/${id}.qcow2`);
      await deleteUnheld(host, state.vm.settings.id, paths);
      assert.deepEqual(await readdir(disks), [`${there}.qcow2`]);
    },
    () => ({ volumes: volumes as never }),
  );
});

test('a checkpoint of which a layer was edited is not exported', async () => {
  const [id, layer] = [newId(), newId()];
  // The seals of the samples are those of no file.
  const state = sampleState(vmOn([newId()]), [sampleCheckpoint(id, [layer])]);
  await withFilesHost(state, [`${layer}.qcow2`], async ({ host, disks }) => {
    const input = { vmId: state.vm.settings.id, vmName: 'a', id, name: id, directory: join(disks, 'export') };
    await assert.rejects(stepOf(checkpointExport(host), 'pin').run({ input, operationId: newId() }), {
      code: 'checkpoint.damaged',
      message: new RegExp(layer),
    });
  });
});

test('a checkpoint is not applied with disks on a volume that another host has by now', async () => {
  const id = newId();
  const state = sampleState(vmOn([newId()]), [sampleCheckpoint(id, [newId()])]);
  const taken = volumeErrors.released({ volume: 'far', path: '/srv/far' });
  await withFilesHost(
    state,
    [],
    async ({ host }) => {
      const input = { vmId: state.vm.settings.id, id };
      await assert.rejects(stepOf(checkpointApply(host), 'check').run({ input }), { code: taken.code });
    },
    () => ({ volumes: { requireVm: () => Promise.reject(taken) } as never }),
  );
});
