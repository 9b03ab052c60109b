import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import type { JobInfo } from './commands/block-job.ts';
import { type JobProgress, waitForJob } from './job-waiter.ts';
import { QmpClient } from './qmp-client.ts';
import { startFakeMonitor } from './testing/fake-monitor.ts';

const code = (expected: string) => (error: unknown) => isCorralError(error, expected);

function job(status: JobInfo['status'], current: number, error?: string): JobInfo {
  const progress = { 'current-progress': current, 'total-progress': 100 };
  return { id: 'merge', type: 'commit', status, ...progress, ...(error === undefined ? {} : { error }) };
}

/** A monitor whose job takes the next of `states` at each question; each question is followed by an event. */
function jobMonitor(states: readonly (JobInfo | undefined)[], event: unknown = { id: 'merge' }) {
  const left = [...states];
  return startFakeMonitor({
    'query-jobs': (_args, connection) => {
      const state = left.length > 1 ? left.shift() : left[0];
      const timestamp = { seconds: 1, microseconds: 0 };
      setImmediate(() => connection.send({ event: 'JOB_STATUS_CHANGE', data: event, timestamp }));
      return state ? [{ ...state, id: 'other' }, state] : [];
    },
  });
}

const wait = { limitMs: 60_000, everyMs: 60_000 };

test('waits until the job has concluded, and tells each progress once', async () => {
  const states = [job('running', 10), job('running', 10), job('running', 60), job('concluded', 100)];
  await using monitor = await jobMonitor(states);
  await using client = await QmpClient.connect(monitor.path);
  const seen: JobProgress[] = [];
  const ended = await waitForJob(client, 'merge', { ...wait, onProgress: (progress) => seen.push(progress) });
  assert.equal(ended.status, 'concluded');
  assert.deepEqual(
    seen.map(({ status, current }) => [status, current]),
    [
      ['running', 10],
      ['running', 60],
      ['concluded', 100],
    ],
  );
});

test('waits until a mirror is ready, or a job pending', async () => {
  await using monitor = await jobMonitor([job('running', 1), job('ready', 2), job('pending', 3)]);
  await using client = await QmpClient.connect(monitor.path);
  assert.equal((await waitForJob(client, 'merge', { ...wait, until: 'ready' })).status, 'ready');
  assert.equal((await waitForJob(client, 'merge', { ...wait, until: 'pending' })).status, 'pending');
});

test('progress is asked for without any event', async () => {
  let asked = 0;
  await using monitor = await startFakeMonitor({
    'query-jobs': () => {
      asked += 1;
      return [asked < 4 ? job('running', asked) : job('concluded', 4)];
    },
  });
  await using client = await QmpClient.connect(monitor.path);
  await waitForJob(client, 'merge', { limitMs: 60_000, everyMs: 1 });
  assert.equal(asked, 4);
});

test('a job that failed rejects with its reason', async () => {
  await using monitor = await jobMonitor([
    job('aborting', 10),
    job('concluded', 10, 'No space left on device'),
  ]);
  await using client = await QmpClient.connect(monitor.path);
  await assert.rejects(waitForJob(client, 'merge', wait), (error) => {
    assert.ok(isCorralError(error, 'qmp.job-failed'));
    assert.equal(error.params['reason'], 'No space left on device');
    return true;
  });
});

test('a job that can no longer become ready says so', async () => {
  await using monitor = await jobMonitor([job('running', 1), job('concluded', 100)]);
  await using client = await QmpClient.connect(monitor.path);
  await assert.rejects(waitForJob(client, 'merge', { ...wait, until: 'ready' }), code('qmp.job-state'));
});

test('a job that is not there is an error, not success', async () => {
  await using monitor = await jobMonitor([undefined]);
  await using client = await QmpClient.connect(monitor.path);
  await assert.rejects(waitForJob(client, 'merge', wait), code('qmp.job-gone'));
});

for (const [error, expected] of [
  [undefined, 'concluded'],
  ['Input/output error', 'qmp.job-failed'],
] as const) {
  test(`the event tells how a job ended that dismissed itself: ${expected}`, async () => {
    let asked = 0;
    await using monitor = await startFakeMonitor({
      'query-jobs': (_args, connection) => {
        asked += 1;
        if (asked > 1) return [];
        const data = { type: 'commit', device: 'merge', len: 100, offset: 100, speed: 0, error };
        const timestamp = { seconds: 1, microseconds: 0 };
        setImmediate(() => connection.send({ event: 'BLOCK_JOB_COMPLETED', data, timestamp }));
        return [job('running', 1)];
      },
    });
    await using client = await QmpClient.connect(monitor.path);
    const outcome = await waitForJob(client, 'merge', wait).then(
      ({ status }) => status,
      (cause: unknown) => (isCorralError(cause) ? cause.code : cause),
    );
    assert.equal(outcome, expected);
  });
}
