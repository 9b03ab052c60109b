import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { newId } from '@corral/core/ids';
import { chainOf, withChain } from '../../chain/chain.ts';
import { stepOf, withFilesHost } from '../../testing/files-host.ts';
import { sampleCheckpoint, sampleLayer, sampleState, vmOn } from '../../testing/sample-chains.ts';
import { withFreePath } from '../free-disk-path.ts';
import { vmDiskAdd, vmDiskRemove } from './disks.ts';

const [top, b, a] = [newId(), newId(), newId()];
const present = vmOn([top, b, a]);
const { id, name } = present;
const disk = present.disks[0]!;

describe('a disk that is removed', () => {
  it('takes no file along that a merge has given to a state of a checkpoint meanwhile', async () => {
    // "b" was merged into the file of "a" after the chain of the removed disk was taken down.
    const merged = { ...present, disks: [withChain(disk, [sampleLayer(b, { path: `disks/${a}.qcow2` })])] };
    const checkpoint = sampleCheckpoint(newId(), [b], { settings: merged });
    const state = sampleState({ ...present, disks: [] }, [checkpoint]);
    await withFilesHost(state, [`${top}.qcow2`, `${a}.qcow2`], async ({ host, disks }) => {
      await stepOf(vmDiskRemove(host), 'delete-file').run({
        input: { id, name, disk, keepFile: false },
        result: () => ({ chain: chainOf(disk) }),
      });
      assert.deepEqual(await readdir(disks), [`${a}.qcow2`]);
    });
  });
});

describe('a disk that is added under a name that was there before', () => {
  const without = { ...present, disks: [] };
  const state = sampleState(without, [sampleCheckpoint(newId(), [a])]);
  const path = `disks/${a}.qcow2`;
  const added = { ...disk, id: newId(), layerId: newId(), path, parents: [] };

  it('has a file of its own beside the one that a checkpoint holds, there or not', async () => {
    for (const files of [[`${a}.qcow2`], []]) {
      await withFilesHost(state, files, async ({ host }) => {
        const free = { ...added, path: 'disks/free.qcow2' };
        assert.equal(
          (await withFreePath(host, id, added)).path,
          `disks/${added.name}.${added.layerId}.qcow2`,
        );
        assert.equal((await withFreePath(host, id, free)).path, free.path);
      });
    }
  });

  it('has one beside a file that was kept, too', async () => {
    await withFilesHost(sampleState(without, []), [`${a}.qcow2`], async ({ host }) => {
      assert.notEqual((await withFreePath(host, id, added)).path, path);
    });
  });

  it('is refused where the file is that of a checkpoint after all, and takes nothing away', async () => {
    await withFilesHost(state, [`${a}.qcow2`], async ({ host, disks }) => {
      const context = {
        input: { id, name, disk: added, making: { kind: 'blank' }, volumes: [] },
        signal: new AbortController().signal,
        progress: () => undefined,
      };
      const make = stepOf(vmDiskAdd(host), 'make-file');
      await assert.rejects(make.run(context), { code: 'vm.bad-disk' });
      await make.undo(context);
      assert.equal(await readFile(join(disks, `${a}.qcow2`), 'utf8'), `${a}.qcow2`);
    });
  });
});
