/** What jobs look like, block jobs and others. The states are drawn in QEMU's qapi/job.json (JobStatus). */

export type JobStatus =
  | 'undefined'
  | 'created'
  | 'running'
  | 'paused'
  | 'ready'
  | 'standby'
  | 'waiting'
  | 'pending'
  | 'aborting'
  | 'concluded'
  | 'null';

export type JobType =
  | 'commit'
  | 'stream'
  | 'mirror'
  | 'backup'
  | 'create'
  | 'amend'
  | 'snapshot-load'
  | 'snapshot-save'
  | 'snapshot-delete';

export interface JobInfo {
  readonly id: string;
  readonly type: JobType;
  readonly status: JobStatus;
  /** In a unit of the job's own, for block jobs bytes. The total may grow while it runs. */
  readonly 'current-progress': number;
  readonly 'total-progress': number;
  readonly error?: string;
}

export interface BlockJobInfo {
  readonly type: string;
  /** The job's id, despite the name. */
  readonly device: string;
  readonly len: number;
  readonly offset: number;
  readonly busy: boolean;
  readonly paused: boolean;
  readonly speed: number;
  readonly 'io-status': 'ok' | 'failed' | 'nospace';
  readonly ready: boolean;
  readonly status: JobStatus;
  readonly 'auto-finalize': boolean;
  readonly 'auto-dismiss': boolean;
  readonly error?: string;
}

export type OnError = 'report' | 'ignore' | 'enospc' | 'stop' | 'auto';

/** Arguments that every block job takes. */
export interface JobCommon {
  readonly 'job-id'?: string;
  /** Bytes per second; 0 is unlimited. */
  readonly speed?: number;
  readonly 'filter-node-name'?: string;
  readonly 'auto-finalize'?: boolean;
  /** `false` keeps an ended job listed with its error until `job-dismiss`, so that its end cannot be missed. */
  readonly 'auto-dismiss'?: boolean;
}
