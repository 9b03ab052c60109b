import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { QmpClient } from '@corral/qmp/qmp-client';
import { type FakeAnswer, QmpRefusal, SILENCE, startFakeMonitor } from '@corral/qmp/testing/fake-monitor';
import { type SnapshotOptions, snapshotMemory } from './memory-snapshot.ts';

const instant = ['stop', 'transaction', 'migrate'];

/** A QEMU that sends "memory" to whoever listens, and what it was asked for at the instant. */
async function fakeQemu(answers: Readonly<Record<string, FakeAnswer>> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'corral-memory-'));
  const socketPath = join(folder, 'socket');
  const monitor = await startFakeMonitor({
    // Whoever throws the memory away resets the connection.
    migrate: () =>
      void connect(socketPath)
        .on('error', () => undefined)
        .end('memory'),
    'query-migrate': () => ({ status: 'completed', ram: { normal: 1, duplicate: 0 } }),
    'query-status': () => ({ status: 'running' }),
    ...answers,
  });
  const qmp = await QmpClient.connect(monitor.path);
  const said = (): string[] => monitor.peer.requests.map(({ execute }) => execute ?? '');
  const snapshot = (atInstant: SnapshotOptions['atInstant'] = null) =>
    snapshotMemory(qmp, {
      path: join(folder, 'memory'),
      socketPath,
      qemuSocketPath: socketPath,
      running: true,
      fork: async () => void (await qmp.execute('transaction', { actions: [] })),
      atInstant,
      lendUserfaultfd: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
      signal: AbortSignal.timeout(60_000),
      progress: () => undefined,
    });
  return {
    folder,
    monitor,
    snapshot,
    ofInstant: () => said().filter((command) => instant.includes(command)),
    said,
    [Symbol.asyncDispose]: async () => {
      await qmp.close();
      await monitor[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

test('stop, fork and migrate go out together: QEMU waits for no answer of ours to be read', async () => {
  await using qemu = await fakeQemu({ stop: () => SILENCE });
  const lost = assert.rejects(qemu.snapshot(), (cause) => isCorralError(cause, 'qmp.connection-lost'));
  await qemu.monitor.peer.until(() => qemu.ofInstant().length === 3);
  assert.deepEqual(qemu.ofInstant(), instant);
  qemu.monitor.connection().close();
  await lost;
});

test('what the daemon itself has to keep is kept after the fork, and before the guest may run on', async () => {
  await using qemu = await fakeQemu();
  let before: string[] = [];
  const { sizeBytes, stoppedBecause } = await qemu.snapshot(async () => {
    before = qemu.ofInstant();
  });
  assert.deepEqual(before, ['stop', 'transaction']);
  assert.deepEqual(qemu.ofInstant(), instant);
  assert.deepEqual([sizeBytes, stoppedBecause], [6, null]);
  assert.equal(await readFile(join(qemu.folder, 'memory'), 'utf8'), 'memory');
});

test('memory of which the disks were not forked is not kept', async () => {
  await using qemu = await fakeQemu({ transaction: () => new QmpRefusal('no such node') });
  await assert.rejects(qemu.snapshot(), /no such node/);
  assert.ok(qemu.said().lastIndexOf('migrate_cancel') > qemu.said().lastIndexOf('migrate'));
  assert.deepEqual(await readdir(qemu.folder), []);
});
