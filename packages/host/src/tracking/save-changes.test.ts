import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { newId } from '@corral/core/ids';
import type { ChainRecords, ChainState } from '../chain/chain-records.ts';
import { DataDirectory } from '../data-directory.ts';
import { sampleState, vmOn } from '../testing/sample-chains.ts';
import type { EdgeRecord } from './edge-record.ts';
import { writeExtentsFile } from './extents-file.ts';
import { tidyEdges } from './save-changes.ts';

const [old, middle, present] = [newId(), newId(), newId()];
const settings = vmOn([present]);
const { id: vmId } = settings;
const diskId = settings.disks[0]!.id;

function edge(from: string, to: string): EdgeRecord {
  return { id: newId(), vmId, diskId, from, to, path: `changes/${from}-${to}.extents`, changedBytes: 512 };
}

const reference = {
  id: newId(),
  vmId,
  name: 'old',
  createdAt: '2026-01-01T00:00:00.000Z',
  backup: null,
  disks: [{ diskId, name: 'root', stateId: old, sizeBytes: 2 ** 20 }],
};

test('two edges of which one is damaged are no reason to be stuck: that one is forgotten', async () => {
  const root = await mkdtemp(join(tmpdir(), 'corral-edges-'));
  try {
    const directory = new DataDirectory(root);
    const edges = [edge(old, middle), edge(middle, present)] as const;
    for (const { from, path, to } of edges)
      await writeExtentsFile(directory.resolveInVm(vmId, path), {
        from,
        to,
        ranges: [{ offset: 0, length: 512 }],
      });
    let state: ChainState = { ...sampleState(settings, []), references: [reference], edges };
    const chainRecords = {
      read: async () => state,
      change: async (_: string, change: (before: ChainState) => ChainState) => {
        state = change(state);
        return state;
      },
    } as unknown as ChainRecords;
    await writeFile(directory.resolveInVm(vmId, edges[1].path), 'no list of extents');
    await tidyEdges({ directory, chainRecords }, vmId, new AbortController().signal);
    assert.deepEqual(
      state.edges.filter(({ id }) => id === edges[1].id),
      [],
    );
  } finally {
    await rm(root, { recursive: true });
  }
});
