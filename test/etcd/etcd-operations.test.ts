/** Operations of two daemons over one etcd: locks, cancels and followers reach across, a dead daemon's are adopted. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { defineOperation, type OperationSnapshot } from '@corral/operation/operation';
import { openOperationEngine } from '@corral/operation/operation-engine';
import { OperationRegistry } from '@corral/operation/operation-registry';
import { openEtcdStore } from '@corral/store/etcd-store';
import { type EtcdCluster, skipWithoutEtcd, startEtcd } from './support/etcd-cluster.ts';

/** Runs until it is told to stop; `undone` lists the nodes that undid it. */
function definition(undone: string[], node: string) {
  return defineOperation<string, { wait: null }>({
    kind: 'test.wait',
    input: (json) => String(json),
    target: (vm) => [`vm/${vm}`],
    title: (vm) => `Wait for ${vm}`,
    cancellable: true,
    steps: [
      {
        name: 'wait',
        run: ({ signal, progress }) => {
          progress({ done: 1, total: 2, unit: 'items', message: 'Waiting' });
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        },
        undo: async () => {
          undone.push(node);
        },
      },
    ],
  });
}

async function openDaemon(cluster: EtcdCluster, owner: string, undone: string[]) {
  const store = openEtcdStore({ endpoints: cluster.endpoints, limitMs: 20_000 });
  const operation = definition(undone, owner);
  const engine = await openOperationEngine({ store, registry: new OperationRegistry([operation]), owner });
  return {
    store,
    engine,
    operation,
    async [Symbol.asyncDispose]() {
      await engine.close();
      await store.close();
    },
  };
}

async function until(
  snapshots: AsyncIterable<OperationSnapshot>,
  holds: (snapshot: OperationSnapshot) => boolean,
): Promise<OperationSnapshot> {
  for await (const snapshot of snapshots) if (holds(snapshot)) return snapshot;
  throw new Error('it ended before');
}

describe('operations over etcd', { skip: skipWithoutEtcd }, () => {
  test('are locked, followed and cancelled from another node', { timeout: 60_000 }, async () => {
    const undone: string[] = [];
    await using cluster = await startEtcd();
    await using one = await openDaemon(cluster, 'one', undone);
    await using two = await openDaemon(cluster, 'two', undone);
    const { id } = await one.engine.start(one.operation, 'web1');
    await assert.rejects(two.engine.start(two.operation, 'web1'), (e) => isCorralError(e, 'operation.busy'));
    const queued = await two.engine.start(two.operation, 'web1', { whenBusy: 'queue' });
    await until(two.engine.follow(id), ({ progress }) => progress?.message === 'Waiting');
    await two.engine.cancel(id);
    assert.equal((await two.engine.wait(id)).state, 'cancelled');
    await until(one.engine.follow(queued.id), ({ state }) => state === 'running');
    await one.engine.cancel(queued.id);
    assert.equal((await one.engine.wait(queued.id)).state, 'cancelled');
    assert.deepEqual(undone, ['one', 'two']);
    assert.deepEqual((await one.store.list('operation-lock/')).entries, []);
  });

  test('of a daemon that is gone are adopted and undone', { timeout: 60_000 }, async () => {
    const undone: string[] = [];
    await using cluster = await startEtcd();
    await using two = await openDaemon(cluster, 'two', undone);
    const one = await openDaemon(cluster, 'one', undone);
    const { id } = await one.engine.start(one.operation, 'web1');
    await one.store.close();
    await two.engine.adopt('one');
    const ended = await two.engine.wait(id);
    assert.deepEqual([ended.state, ended.owner, undone], ['failed', 'two', ['two']]);
    await one.engine.close();
  });
});
