import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { newId } from '@corral/core/ids';
import { checkpointCreate } from '../checkpoint/operations/create-checkpoint.ts';
import { stepOf, withFilesHost } from '../testing/files-host.ts';
import { layersOf, sampleState, vmOn } from '../testing/sample-chains.ts';
import { readSettingsFile } from '../vm/settings-file.ts';
import { chainOf, withSeal } from './chain.ts';
import { type ChainState, withChains } from './chain-records.ts';
import { planFork, removeOverlays, undoFork, withFork, withForkSealed } from './fork.ts';

const [written, upper, lower] = [newId(), newId(), newId()];
const present = vmOn([written, upper, lower]);
const { id: vmId } = present;
const diskId = present.disks[0]!.id;
const overlays = planFork(present, 'an operation');
const forked = withFork(sampleState(present, []), overlays);
const seal = { lengthBytes: 7, modifiedNs: '7' };

const sealOfLayer = ({ vm }: ChainState, id: string) =>
  chainOf(vm.settings.disks[0]!).find((layer) => layer.id === id)!.seal;

describe('the layer that a fork makes still', () => {
  it('is sealed', () => {
    assert.deepEqual(
      sealOfLayer(withForkSealed(forked, overlays, new Map([[written, seal]])), written),
      seal,
    );
  });

  it('is not while what it lies on is merged: QEMU writes its header at the end of that', () => {
    const merging = withChains(forked, diskId, (chain) => withSeal(chain, lower, null));
    assert.equal(sealOfLayer(withForkSealed(merging, overlays, new Map([[written, seal]])), written), null);
  });

  it('is sealed too when the fork of a VM that is off was given up and the overlay stays', async () => {
    await withFilesHost(forked, [`${written}.qcow2`], async ({ host }) => {
      assert.equal(sealOfLayer(forked, written), null);
      await undoFork(host, vmId, overlays, new AbortController().signal);
      const state = await host.chainRecords.read(vmId);
      assert.deepEqual(layersOf(state.vm.settings), [overlays[0]!.id, written, upper, lower]);
      assert.ok(sealOfLayer(state, written));
    });
  });
});

it('a fork that was never recorded leaves no seal on what is written to', async () => {
  await withFilesHost(sampleState(present, []), [`${written}.qcow2`], async ({ host }) => {
    await undoFork(host, vmId, overlays, new AbortController().signal);
    assert.equal(sealOfLayer(await host.chainRecords.read(vmId), written), null);
  });
});

it('an overlay is not taken back whose file holds another state by now', async () => {
  const [{ path }] = overlays as [(typeof overlays)[0]];
  const moved = withChains(sampleState(present, []), diskId, ([top, ...below]) => [
    { ...top!, path },
    ...below,
  ]);
  const file = path.replace('disks/', '');
  await withFilesHost(moved, [file], async ({ host, disks }) => {
    await removeOverlays(host, vmId, overlays);
    assert.ok(await stat(join(disks, file)));
  });
});

it('the file beside the disks has the overlay before a QEMU can write to it', async () => {
  await withFilesHost(sampleState(present, []), [], async ({ host }) => {
    const input = { vmId, vmName: present.name, id: newId(), name: 'one', createdAt: present.createdAt };
    const plan = { overlays, settings: present, applied: null, memory: true, state: 'running' };
    await stepOf(checkpointCreate(host), 'record-fork').run({
      input,
      operationId: newId(),
      result: () => plan,
    });
    const file = await readSettingsFile(host.directory.vm(vmId).settings);
    assert.deepEqual(layersOf(file), [overlays[0]!.id, written, upper, lower]);
  });
});
