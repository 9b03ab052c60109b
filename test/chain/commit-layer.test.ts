/** Merges as a VM that is off gets them: in QEMU's own storage daemon, over a chain that only the record knows. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { backingOf, isInUse } from '@corral/host/chain/block-graph';
import { withMerged } from '@corral/host/chain/chain';
import { commitLayer } from '@corral/host/chain/commit-job';
import { findStorageDaemons, openStorageDaemon } from '@corral/host/chain/storage-daemon';
import { layerFileNode, layerNode } from '@corral/host/vm/qemu-devices';
import { missing, runTool } from '../qemu/support/tool-process.ts';
import { assertContent, makeChain, sizeMiB } from './made-chain.ts';

const skip = missing('qemu-storage-daemon', 'qemu-img', 'qemu-io');

for (const [what, upper] of [
  ['the top layer', 0],
  ['a layer between', 1],
] as const) {
  test(`${what} is merged into the one below, and the disk reads as before`, { skip }, async () => {
    await using made = await makeChain();
    const { directory, vmId, chain } = made;
    await assertContent(directory, vmId, chain);
    const merge = { upper: chain[upper]!, lower: chain[upper + 1]! };
    const signal = AbortSignal.timeout(60_000);
    const part = upper === 0 ? chain : chain.slice(upper);
    {
      await using daemon = await openStorageDaemon({ directory, vmId, uid: null, chain: part, signal });
      await commitLayer(daemon.qmp, merge, {
        topPath: part[0]!.path,
        lowerFile: merge.lower.path,
        speed: 0,
        signal,
        progress: () => undefined,
      });
    }
    assert.deepEqual(await findStorageDaemons(directory, vmId), []);
    await rm(directory.resolveInVm(vmId, merge.upper.path));
    await assertContent(directory, vmId, withMerged(chain, merge, null));
  });
}

test('a second merge of the same VM waits for the first, and can be called off while it does', {
  skip,
}, async () => {
  await using made = await makeChain();
  const { directory, vmId, chain } = made;
  const signal = AbortSignal.timeout(60_000);
  const options = { directory, vmId, uid: null, chain, signal };
  const first = await openStorageDaemon(options);
  const second = openStorageDaemon(options);
  const calledOff = new AbortController();
  const third = openStorageDaemon({ ...options, signal: calledOff.signal });
  calledOff.abort(new Error('called off'));
  await assert.rejects(third, /called off/);
  // Whoever had ended it would have done so by now: it begins with that.
  assert.equal((await first.qmp.execute('query-jobs')).length, 0);
  assert.equal((await findStorageDaemons(directory, vmId)).length, 1);
  await first[Symbol.asyncDispose]();
  await using daemon = await second;
  assert.equal((await daemon.qmp.execute('query-jobs')).length, 0);
});

test('what was merged into a layer that was written to before is in its file, whenever QEMU dies', {
  skip,
}, async () => {
  await using made = await makeChain();
  const { directory, vmId, chain } = made;
  const merge = { upper: chain[1]!, lower: chain[2]! };
  const signal = AbortSignal.timeout(60_000);
  {
    await using daemon = await openStorageDaemon({ directory, vmId, uid: null, chain, signal });
    // As the disk of a VM that has run since before its first checkpoint.
    const { path, format } = merge.lower;
    const node = { driver: format, 'node-name': layerNode(path), file: layerFileNode(path), backing: null };
    await daemon.qmp.execute('blockdev-reopen', { options: [{ ...node, 'read-only': false }] });
    await commitLayer(daemon.qmp, merge, {
      topPath: chain[0]!.path,
      lowerFile: path,
      speed: 0,
      signal,
      progress: () => undefined,
    });
    for (const identity of await findStorageDaemons(directory, vmId)) process.kill(identity.pid, 'SIGKILL');
  }
  await rm(directory.resolveInVm(vmId, merge.upper.path));
  await assertContent(directory, vmId, withMerged(chain, merge, null));
});

test('the disk gets a new top layer while a merge works below', { skip }, async () => {
  await using made = await makeChain();
  const { directory, vmId, chain } = made;
  const merge = { upper: chain[1]!, lower: chain[2]! };
  const signal = AbortSignal.timeout(60_000);
  const options = { topPath: chain[0]!.path, lowerFile: merge.lower.path, signal };
  {
    await using daemon = await openStorageDaemon({ directory, vmId, uid: null, chain, signal });
    const { qmp } = daemon;
    const begun = Promise.withResolvers<void>();
    const merged = commitLayer(qmp, merge, {
      ...options,
      speed: 10_000_000,
      progress: () => begun.resolve(),
    });
    await begun.promise;
    const overlay = join(directory.vm(vmId).disks, 'overlay.qcow2');
    await runTool('qemu-img', 'create', '-q', '-f', 'qcow2', overlay, `${sizeMiB}M`);
    const file = { driver: 'file' as const, filename: overlay };
    await qmp.execute('blockdev-add', {
      driver: 'qcow2',
      'node-name': 'overlay',
      file,
      backing: null,
    } as never);
    const data = { node: layerNode(chain[0]!.path), overlay: 'overlay' };
    await qmp.execute('transaction', { actions: [{ type: 'blockdev-snapshot', data }] });
    await merged;
    const graph = await qmp.execute('x-debug-query-block-graph');
    assert.equal(backingOf(graph, 'overlay'), layerNode(chain[0]!.path));
    assert.equal(backingOf(graph, layerNode(chain[0]!.path)), layerNode(merge.lower.path));
    assert.ok(!isInUse(graph, 'overlay'), 'the root of the merge is gone');
  }
  await rm(directory.resolveInVm(vmId, merge.upper.path));
  await assertContent(directory, vmId, withMerged(chain, merge, null));
});

test('a merge that is broken off leaves a chain that reads as before, and is done when repeated', {
  skip,
}, async () => {
  await using made = await makeChain();
  const { directory, vmId, chain } = made;
  const merge = { upper: chain[0]!, lower: chain[1]! };
  const abort = new AbortController();
  const options = {
    topPath: chain[0]!.path,
    lowerFile: merge.lower.path,
    progress: () => abort.abort(new Error('enough')),
  };
  {
    await using daemon = await openStorageDaemon({ directory, vmId, uid: null, chain, signal: abort.signal });
    const slow = commitLayer(daemon.qmp, merge, { ...options, speed: 1_000_000, signal: abort.signal });
    await assert.rejects(slow, /enough/);
  }
  await assertContent(directory, vmId, chain);
  const signal = AbortSignal.timeout(60_000);
  {
    await using daemon = await openStorageDaemon({ directory, vmId, uid: null, chain, signal });
    await commitLayer(daemon.qmp, merge, { ...options, progress: () => undefined, speed: 0, signal });
  }
  await assertContent(directory, vmId, withMerged(chain, merge, null));
});
