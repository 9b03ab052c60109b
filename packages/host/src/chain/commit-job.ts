/**
 * QEMU's `block-commit` of one layer into the one below, followed to its end (QEMU's documentation, "Live Block
 * Operations"). Taken up again where a daemon before this one left it.
 */
import { isCorralError } from '@corral/core/errors';
import { type JobProgress, waitForJob } from '@corral/qmp/job-waiter';
import type { QmpClient } from '@corral/qmp/qmp-client';
import { layerFileNode, layerNode, mergeRootNode } from '../vm/qemu-devices.ts';
import { backingOf, hasNode, isInUse } from './block-graph.ts';
import type { Merge } from './chain.ts';

export interface CommitOptions {
  /** Path of the layer on top of the chain. */
  readonly topPath: string;
  /** What QEMU writes into the header of the layer above, for people: Corral never reads it. */
  readonly lowerFile: string;
  /** Bytes per second; 0 is unlimited. */
  readonly speed: number;
  readonly signal: AbortSignal;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
}

/** A merge may take days (a timer of Node at most 24); what makes no progress shows in its operation and is cancelled. */
const commitLimitMs = 24 * 24 * 3600e3;
const cancelLimitMs = 60_000;

/**
 * Returns when the upper layer is out of QEMU's chain, flushed into the lower. On abort the job is cancelled before
 * the reason is thrown: then nothing writes to the lower layer any more.
 */
export async function commitLayer(qmp: QmpClient, merge: Merge, options: CommitOptions): Promise<void> {
  const job = `merge-${merge.upper.id}`;
  const { signal } = options;
  const known = (await qmp.execute('query-jobs', {}, { signal })).find(({ id }) => id === job);
  if (known || !(await isDone(qmp, merge, options.topPath, signal))) {
    try {
      // An abort in the midst of it ends the waiting, not the command: QEMU may have the job by then.
      if (!known) await begin(qmp, job, merge, options);
      await followToTheEnd(qmp, job, merge.upper.path === options.topPath, options);
    } catch (cause) {
      await cancel(qmp, job, async (begun) => {
        await removeRoot(qmp, merge);
        if (begun) await settle(qmp, merge);
      });
      throw cause;
    }
    await qmp.execute('job-dismiss', { id: job });
  }
  await removeRoot(qmp, merge);
  await settle(qmp, merge);
  await dropNodes(qmp, merge);
}

/**
 * Makes the lower layer read-only, by which QEMU writes out all that it holds of it, and says so if it cannot. Its commit
 * does not (7.2; block/commit.c): the tables of a layer that was opened for writing stay in memory, so a QEMU that is
 * killed would take along what was merged, and one that ends later would change a layer that has been sealed.
 */
async function settle(qmp: QmpClient, { lower }: Pick<Merge, 'lower'>): Promise<void> {
  const node = layerNode(lower.path);
  const graph = await qmp.execute('x-debug-query-block-graph');
  const backing = lower.format === 'qcow2' ? { backing: backingOf(graph, node) } : {};
  const options = { driver: lower.format, 'node-name': node, file: layerFileNode(lower.path), ...backing };
  await qmp.execute('blockdev-reopen', { options: [{ ...options, 'read-only': true }] });
}

/** QEMU ended the job while nobody looked: the lower layer lies directly below what was above the upper. */
async function isDone(
  qmp: QmpClient,
  { upper }: Merge,
  topPath: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (upper.path === topPath) return false;
  const graph = await qmp.execute('x-debug-query-block-graph', {}, { signal });
  return !isInUse(graph, layerNode(upper.path));
}

async function begin(
  qmp: QmpClient,
  job: string,
  { upper, lower }: Merge,
  options: CommitOptions,
): Promise<void> {
  const live = upper.path !== options.topPath;
  if (live) await addRoot(qmp, { upper, lower }, options.topPath);
  await qmp.execute(
    'block-commit',
    {
      'job-id': job,
      device: live ? mergeRootNode(upper.path) : layerNode(options.topPath),
      'top-node': layerNode(upper.path),
      'base-node': layerNode(lower.path),
      ...(live ? { 'backing-file': options.lowerFile } : {}),
      speed: options.speed,
      'auto-dismiss': false,
      'on-error': 'report',
    },
    { signal: options.signal },
  );
}

/**
 * A job keeps everything else from the node that it is given as the root of its chain, a snapshot too ("block device is
 * in use by block job: commit"): no checkpoint and no backup could begin while a merge works. So it gets a root of its
 * own above the guest's, a filter that nobody reads through and that moves up when the guest gets a new top layer.
 */
async function addRoot(qmp: QmpClient, merge: Merge, topPath: string): Promise<void> {
  await removeRoot(qmp, merge);
  await qmp.execute('blockdev-add', {
    driver: 'copy-on-read',
    'node-name': mergeRootNode(merge.upper.path),
    file: layerNode(topPath),
    'read-only': true,
  });
}

async function removeRoot(qmp: QmpClient, { upper }: Pick<Merge, 'upper'>): Promise<void> {
  const graph = await qmp.execute('x-debug-query-block-graph');
  const root = mergeRootNode(upper.path);
  if (hasNode(graph, root)) await qmp.execute('blockdev-del', { 'node-name': root });
}

/** The commit of a top layer becomes ready and waits to be told; nobody writes to it here, so it is told at once. */
async function followToTheEnd(
  qmp: QmpClient,
  job: string,
  active: boolean,
  options: CommitOptions,
): Promise<void> {
  const waiting = {
    limitMs: commitLimitMs,
    signal: options.signal,
    onProgress: ({ current, total }: JobProgress) => options.progress(current, total),
  };
  if (active) {
    try {
      await waitForJob(qmp, job, { ...waiting, until: 'ready' });
      await qmp.execute('job-complete', { id: job });
    } catch (cause) {
      // A daemon before this one told it already.
      if (!isCorralError(cause, 'qmp.job-state')) throw cause;
    }
  }
  await waitForJob(qmp, job, waiting);
}

/** @param settled what is still to be done when nothing is copied any more, or nothing was begun */
export async function cancel(
  qmp: QmpClient,
  job: string,
  settled: (begun: boolean) => Promise<void> = async () => undefined,
): Promise<void> {
  try {
    // QEMU answers in order: when it does, a command that began the job was carried out.
    const known = (await qmp.execute('query-jobs')).find(({ id }) => id === job);
    if (!known) return await settled(false);
    if (known.status !== 'concluded') {
      await qmp.execute('job-cancel', { id: job });
      await qmp.waitFor(
        'Cancelling a merge',
        async () =>
          (await qmp.execute('query-jobs')).some(({ id, status }) => id === job && status === 'concluded') ||
          undefined,
        { limitMs: cancelLimitMs, events: ['JOB_STATUS_CHANGE'], everyMs: 100 },
      );
    }
    await qmp.execute('job-dismiss', { id: job });
    await settled(true);
  } catch (cause) {
    // With QEMU its job ended too.
    if (!isCorralError(cause, 'qmp.connection-lost') && !isCorralError(cause, 'qmp.closed')) throw cause;
  }
}

/** The monitor still owns the nodes of the upper layer; as long as they are there its file is open. */
export async function dropNodes(qmp: QmpClient, { upper }: Pick<Merge, 'upper'>): Promise<void> {
  for (const node of [layerNode(upper.path), layerFileNode(upper.path)]) {
    const graph = await qmp.execute('x-debug-query-block-graph');
    if (hasNode(graph, node) && !isInUse(graph, node))
      await qmp.execute('blockdev-del', { 'node-name': node });
  }
}

/** Whether the chain in QEMU is what it should be before a job is given to it. */
export async function liesOn(qmp: QmpClient, { upper, lower }: Merge): Promise<boolean> {
  const graph = await qmp.execute('x-debug-query-block-graph');
  return backingOf(graph, layerNode(upper.path)) === layerNode(lower.path);
}
