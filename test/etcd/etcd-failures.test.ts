/** etcd's members dying, hanging and losing their majority under a store. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { ChangeSignal } from '@corral/store/change-signal';
import { openEtcdStore } from '@corral/store/etcd-store';
import { holdLease } from '@corral/store/held-lease';
import type { Store } from '@corral/store/store';
import { type EtcdFiles, skipWithoutEtcd, startEtcd } from './support/etcd-cluster.ts';

const code = (expected: string) => (e: unknown) => isCorralError(e, expected);

/** Puts numbers one after the other until told to stop; a put whose outcome is unknown is looked up. */
async function writeNumbers(store: Store, count: number): Promise<number[]> {
  const revisions: number[] = [];
  for (let number = 0; number < count; number += 1) revisions.push(await writeNumber(store, number));
  return revisions;
}

/** Each number once: the condition makes a repetition harmless. */
async function writeNumber(store: Store, number: number): Promise<number> {
  const key = `n/${String(number).padStart(6, '0')}`;
  for (;;) {
    try {
      const { succeeded, revision } = await store.transact({
        compare: [{ key, absent: true }],
        then: [{ put: key, value: String(number) }],
      });
      if (succeeded) return revision;
    } catch (e) {
      if (!isCorralError(e, 'store.unknown-outcome') && !isCorralError(e, 'store.unavailable')) throw e;
    }
    const entry = await find(store, key);
    if (entry) return entry.modRevision;
  }
}

async function find(store: Store, key: string) {
  for (;;) {
    try {
      return await store.get(key);
    } catch (e) {
      if (!isCorralError(e, 'store.unavailable')) throw e;
    }
  }
}

describe('etcd', { skip: skipWithoutEtcd, concurrency: 1 }, () => {
  test('of three members loses its leader, twice: nothing acknowledged is lost, a watch misses nothing', {
    timeout: 60_000,
  }, async () => {
    await using cluster = await startEtcd(3);
    await using store = openEtcdStore({ endpoints: cluster.endpoints, limitMs: 20_000 });
    await using lease = await holdLease(store, 10_000);
    await store.transact({ then: [{ put: 'held', value: '', leaseId: lease.id }] });
    const start = await store.revision();
    const count = 300;
    const seen: number[] = [];
    const changed = new ChangeSignal();
    const reached = async (target: number) => {
      while (seen.length < target) await changed.wait();
    };
    const watching = (async () => {
      for await (const { revision } of store.watch('n/', { afterRevision: start })) {
        seen.push(revision);
        changed.notify();
        if (seen.length === count) return;
      }
    })();
    const disturbing = (async () => {
      for (const member of cluster.members.slice(0, 2)) {
        await reached(seen.length + 50);
        await member.kill();
        await reached(seen.length + 50);
        member.start();
      }
    })();
    const written = await writeNumbers(store, count);
    await Promise.all([watching, disturbing]);
    assert.deepEqual(seen, written);
    assert.equal((await store.list('n/')).entries.length, count);
    assert.equal(lease.lost.aborted, false);
    assert.notEqual(await store.get('held'), null);
  });

  test('comes back after it was killed: a watch goes on where it broke off', {
    timeout: 60_000,
  }, async () => {
    await using cluster = await startEtcd(1);
    const [member] = cluster.members;
    await using store = openEtcdStore({ endpoints: cluster.endpoints, limitMs: 20_000 });
    const start = await store.revision();
    const iterator = store.watch('n/', { afterRevision: start })[Symbol.asyncIterator]();
    const first = await writeNumber(store, 1);
    assert.equal((await iterator.next()).value?.revision, first);
    const waiting = iterator.next();
    await member!.kill();
    member!.start();
    const second = await writeNumber(store, 2);
    assert.equal((await waiting).value?.revision, second);
    await iterator.return?.();
  });

  test('hangs: a change has an unknown outcome and is not repeated, a read is', {
    timeout: 60_000,
  }, async () => {
    await using cluster = await startEtcd(1);
    const [member] = cluster.members;
    await using store = openEtcdStore({ endpoints: cluster.endpoints, limitMs: 20_000, attemptMs: 300 });
    await store.transact({ then: [{ put: 'a', value: '1' }] });
    const before = await store.revision();
    member!.signal('SIGSTOP');
    const change = store.transact({ then: [{ put: 'a', value: '2' }] });
    await assert.rejects(change, code('store.unknown-outcome'));
    const reading = store.get('a');
    member!.signal('SIGCONT');
    assert.ok(['1', '2'].includes((await reading)?.value ?? ''));
    assert.ok((await store.revision()) <= before + 1);
  });

  test('has lost its majority: nothing is read and nothing changed, until it is back', {
    timeout: 60_000,
  }, async () => {
    await using cluster = await startEtcd(3);
    const [one, two, three] = cluster.members;
    await using store = openEtcdStore({ endpoints: [three!.endpoint], limitMs: 2_000, attemptMs: 500 });
    await store.transact({ then: [{ put: 'a', value: '1' }] });
    await one!.kill();
    await two!.kill();
    await assert.rejects(store.get('a'), code('store.unavailable'));
    await assert.rejects(
      store.transact({ then: [{ put: 'a', value: '2' }] }),
      (e) => isCorralError(e, 'store.unavailable') || isCorralError(e, 'store.unknown-outcome'),
    );
    one!.start();
    two!.start();
    assert.notEqual(await find(store, 'a'), null);
  });

  test('is not there: the error names where it was sought, within the limit', {
    timeout: 20_000,
  }, async () => {
    await using store = openEtcdStore({
      endpoints: ['http://127.0.0.1:1', 'http://127.0.0.1:2'],
      limitMs: 200,
    });
    for (const call of [() => store.get('a'), () => store.transact({ then: [{ put: 'a', value: '' }] })]) {
      await assert.rejects(call, (e) => {
        assert.ok(isCorralError(e, 'store.unavailable'), String(e));
        assert.match(e.message, /127\.0\.0\.1:1, http:\/\/127\.0\.0\.1:2/);
        return true;
      });
    }
  });

  test('is asked with a certificate, and refuses without one', { timeout: 60_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'corral-tls-'));
    try {
      const files = makeCertificates(directory);
      await using cluster = await startEtcd(1, files);
      const [ca, cert, key] = await Promise.all(
        [files.ca, files.cert, files.key].map((file) => readFile(file, 'utf8')),
      );
      const { endpoints } = cluster;
      await using store = openEtcdStore({
        endpoints,
        tls: { ca: ca!, cert: cert!, key: key! },
        limitMs: 20_000,
      });
      await store.transact({ then: [{ put: 'a', value: '1' }] });
      assert.equal((await store.get('a'))?.value, '1');
      await using stranger = openEtcdStore({ endpoints, tls: { ca: ca! }, limitMs: 500 });
      await assert.rejects(stranger.get('a'), code('store.unavailable'));
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

/** One certificate that is its own authority, for the server and its client. */
function makeCertificates(directory: string): EtcdFiles {
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  const subject = ['-subj', '/CN=corral', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const form = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '1',
  ];
  execFileSync('openssl', [...form, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { cert, key, ca: cert };
}
