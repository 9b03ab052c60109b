/**
 * Waits for a job of QEMU (block jobs and others) by its level, `query-jobs`, with its events as the bell.
 *
 *   created → running ⇄ paused → ready ⇄ standby → waiting → pending → concluded → null
 *                  ╰────────────── aborting ──────────────────────────↗
 *
 * (QEMU's qapi/job.json, JobStatus.) A job that dismisses itself leaves no level behind, only an event, so its end
 * can be missed: start jobs with `auto-dismiss: false`, and dismiss them when their end was recorded.
 */
import type { JobInfo, JobStatus } from './commands/block-job.ts';
import { qmpErrors } from './errors.ts';
import type { CallOptions, QmpClient } from './qmp-client.ts';
import type { QmpEvent, QmpEventName } from './qmp-events.ts';

/** States a caller can act upon. */
export type JobGoal = 'ready' | 'pending' | 'concluded';

export interface JobProgress {
  readonly status: JobStatus;
  /** For block jobs, bytes. The total may grow. */
  readonly current: number;
  readonly total: number;
}

export interface JobWaitOptions extends CallOptions {
  readonly limitMs: number;
  /** `concluded` unless told. */
  readonly until?: JobGoal;
  /** Called when the progress has changed, at most once in `everyMs`. */
  readonly onProgress?: (progress: JobProgress) => void;
  /** How often progress is asked for; 500 ms unless told. */
  readonly everyMs?: number;
}

const PROGRESS_MS = 500;
const JOB_EVENTS: readonly QmpEventName[] = [
  'JOB_STATUS_CHANGE',
  'BLOCK_JOB_READY',
  'BLOCK_JOB_PENDING',
  'BLOCK_JOB_COMPLETED',
  'BLOCK_JOB_CANCELLED',
];

const BEFORE_READY: readonly JobStatus[] = [
  'undefined',
  'created',
  'running',
  'paused',
  'standby',
  'aborting',
];

/** From which states a goal, or the error that says why not, is still to come. The goal itself is not among them. */
const ON_THE_WAY: Readonly<Record<JobGoal, readonly JobStatus[]>> = {
  ready: BEFORE_READY,
  pending: [...BEFORE_READY, 'ready', 'waiting'],
  concluded: [...BEFORE_READY, 'ready', 'waiting', 'pending'],
};

/**
 * Waits until the job `id` is ready, pending or concluded, and returns it as it is then. Aborting or reaching the
 * limit ends the waiting, not the job.
 *
 * @throws qmp.job-failed when it ended with an error; qmp.job-state when it can no longer get there;
 * qmp.job-gone when it is not listed and no event told its end; as `QmpClient.waitFor`.
 */
export async function waitForJob(client: QmpClient, id: string, options: JobWaitOptions): Promise<JobInfo> {
  const { peer } = client;
  const until = options.until ?? 'concluded';
  let last: JobInfo | undefined;
  let ended: JobInfo | undefined;
  using _subscription = client.subscribe((event) => {
    ended ??= endOf(event, id);
  });
  const level = async (signal: AbortSignal): Promise<JobInfo | undefined> => {
    const jobs = await client.execute('query-jobs', {}, { signal });
    const job = jobs.find((each) => each.id === id) ?? ended;
    if (!job) throw qmpErrors['job-gone']({ peer, job: id });
    if (differs(last, job)) options.onProgress?.(progressOf(job));
    last = job;
    return reached(peer, job, until) ? job : undefined;
  };
  return await client.waitFor(`The job "${id}" of ${peer}`, level, {
    events: JOB_EVENTS,
    everyMs: options.everyMs ?? PROGRESS_MS,
    limitMs: options.limitMs,
    signal: options.signal,
  });
}

/** @throws qmp.job-failed, qmp.job-state */
function reached(peer: string, job: JobInfo, until: JobGoal): boolean {
  if (job.error !== undefined) throw qmpErrors['job-failed']({ peer, job: job.id, reason: job.error });
  if (job.status === until) return true;
  if (until === 'concluded' && job.status === 'null') return true;
  if (ON_THE_WAY[until].includes(job.status)) return false;
  throw qmpErrors['job-state']({ peer, job: job.id, state: job.status, wanted: until });
}

/** The end of a job that dismissed itself, as its last event tells it. */
function endOf(event: QmpEvent, id: string): JobInfo | undefined {
  if (event.name !== 'BLOCK_JOB_COMPLETED' && event.name !== 'BLOCK_JOB_CANCELLED') return undefined;
  const { data } = event;
  if (data.device !== id) return undefined;
  const error = event.name === 'BLOCK_JOB_CANCELLED' ? 'it was cancelled' : event.data.error;
  return {
    id,
    type: data.type,
    status: 'concluded',
    'current-progress': data.offset,
    'total-progress': data.len,
    ...(error === undefined ? {} : { error }),
  };
}

function differs(last: JobInfo | undefined, job: JobInfo): boolean {
  return (
    last?.status !== job.status ||
    last['current-progress'] !== job['current-progress'] ||
    last['total-progress'] !== job['total-progress']
  );
}

function progressOf(job: JobInfo): JobProgress {
  return { status: job.status, current: job['current-progress'], total: job['total-progress'] };
}
