/**
 * QEMU's `block-stream` of what lies below a disk into the disk itself, followed to its end (QEMU's documentation, "Live
 * Block Operations"). Taken up again where a daemon before this one left it.
 */
import type { DiskLayer, DiskSettings } from '@corral/api/schemas/vm-settings';
import { type JobProgress, waitForJob } from '@corral/qmp/job-waiter';
import type { QmpClient } from '@corral/qmp/qmp-client';
import { backingOf } from '../chain/block-graph.ts';
import { cancel, dropNodes } from '../chain/commit-job.ts';
import { diskFormatOptions, layerNode } from '../vm/qemu-devices.ts';

export interface StreamOptions {
  readonly signal: AbortSignal;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
}

/** As long as it takes; a timer of Node's is at most 24 days. */
const streamLimitMs = 24 * 24 * 3600e3;

/**
 * Returns when the disk stands on nothing any more. On abort the job is cancelled before the reason is thrown; what it
 * copied stays, and is not copied again.
 */
export async function streamDisk(
  qmp: QmpClient,
  disk: DiskSettings,
  below: DiskLayer,
  { progress, signal }: StreamOptions,
): Promise<void> {
  const job = `copy-${disk.id}`;
  const node = layerNode(disk.path);
  const known = (await qmp.execute('query-jobs', {}, { signal })).some(({ id }) => id === job);
  if (!known) {
    const graph = await qmp.execute('x-debug-query-block-graph', {}, { signal });
    if (backingOf(graph, node) === null) return finish(qmp, disk, below);
  }
  try {
    if (!known) {
      await qmp.execute(
        'block-stream',
        { 'job-id': job, device: node, 'auto-dismiss': false, 'on-error': 'report' },
        { signal },
      );
    }
    await waitForJob(qmp, job, {
      limitMs: streamLimitMs,
      signal,
      onProgress: ({ current, total }: JobProgress) => progress(current, total),
    });
  } catch (cause) {
    await cancel(qmp, job);
    throw cause;
  }
  await qmp.execute('job-dismiss', { id: job });
  await finish(qmp, disk, below);
}

/**
 * The stream ends without a flush (QEMU 7.2; block/stream.c): what it copied would be gone with a QEMU that is killed
 * before its guest flushes the disk. A node that is opened again, as it is, is flushed.
 */
async function finish(qmp: QmpClient, disk: DiskSettings, below: DiskLayer): Promise<void> {
  const options = diskFormatOptions({ ...disk, parents: [] });
  await qmp.execute('blockdev-reopen', { options: [options as never] });
  await dropNodes(qmp, { upper: below });
}
