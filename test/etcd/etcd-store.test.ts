/** The store's conformance on a real etcd. */
import { after, before, describe } from 'node:test';
import { openEtcdStore } from '@corral/store/etcd-store';
import { storeConformance } from '@corral/store/store-conformance';
import { type EtcdCluster, skipWithoutEtcd, startEtcd } from './support/etcd-cluster.ts';

describe('a store in etcd', { skip: skipWithoutEtcd }, () => {
  let cluster: EtcdCluster;
  let opened = 0;
  before(async () => {
    cluster = await startEtcd();
  });
  after(() => cluster[Symbol.asyncDispose]());

  storeConformance(
    'etcd',
    async () => {
      opened += 1;
      const store = openEtcdStore({ endpoints: cluster.endpoints, namespace: `test${opened}/` });
      return {
        store,
        leaseMs: 1_000,
        passTime: () => undefined,
        [Symbol.asyncDispose]: () => store.close(),
      };
    },
    { runs: 15, limitMs: 60_000 },
  );
});
