import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { newId } from '@corral/core/ids';
import type { ChainRecords, ChainState } from '../chain/chain-records.ts';
import { DataDirectory } from '../data-directory.ts';
import { sampleState, vmOn } from '../testing/sample-chains.ts';
import { knownChanges } from './changes-between.ts';
import { writeExtentsFile } from './extents-file.ts';

const [before, after] = [newId(), newId()];
const settings = vmOn([newId()]);
const { id: vmId } = settings;
const diskId = settings.disks[0]!.id;
const sizeBytes = 2 ** 20;
const edge = {
  id: newId(),
  vmId,
  diskId,
  from: before,
  to: after,
  path: 'changes/one.extents',
  changedBytes: 512,
};
const ranges = [{ offset: 0, length: 512 }];

/** @param states what the records say, one after the other; the last one stays */
async function known(states: readonly ChainState[], damage: boolean) {
  const root = await mkdtemp(join(tmpdir(), 'corral-changes-'));
  try {
    const directory = new DataDirectory(root);
    const path = directory.resolveInVm(vmId, edge.path);
    await writeExtentsFile(path, { from: before, to: after, ranges });
    if (damage) await writeFile(path, 'no list of extents');
    const left = [...states];
    const read = async () => (left.length > 1 ? left.shift()! : left[0]!);
    const warned: object[] = [];
    const host = {
      directory,
      chainRecords: { read } as unknown as ChainRecords,
      log: { warn: (what: object) => warned.push(what) },
    };
    const [from, to] = [before, after].map((stateId) => ({ stateId, sizeBytes })) as [
      { stateId: string; sizeBytes: number },
      { stateId: string; sizeBytes: number },
    ];
    const changes = await knownChanges(
      host as never,
      { vmId, diskId, from, to },
      new AbortController().signal,
    );
    return { changes, warned: warned.length };
  } finally {
    await rm(root, { recursive: true });
  }
}

test('a damaged list of changes says nothing: what changed is not known, and that is told', async () => {
  const state = { ...sampleState(settings, []), edges: [edge] };
  assert.deepEqual(await known([state], false), { changes: ranges, warned: 0 });
  assert.deepEqual(await known([state], true), { changes: null, warned: 1 });
});

test('a list that was joined with another while it was looked for is looked for again', async () => {
  const gone = { ...edge, path: 'changes/joined.extents' };
  const states = [gone, edge].map((each) => ({ ...sampleState(settings, []), edges: [each] }));
  assert.deepEqual(await known(states, false), { changes: ranges, warned: 0 });
});
