/** Commands on block nodes, disks of the machine, dirty bitmaps, jobs and exports. */
import type { BlockJobInfo, JobCommon, JobInfo, OnError } from './block-job.ts';
import type { Command, NoArguments, Nothing, QmpValue, SocketAddressLegacy } from './command.ts';

export interface DirtyBitmapInfo {
  readonly name?: string;
  /** Dirty bytes. */
  readonly count: number;
  readonly granularity: number;
  readonly recording: boolean;
  readonly busy: boolean;
  readonly persistent: boolean;
  /** It was not stored when QEMU ended; it can only be removed. */
  readonly inconsistent?: boolean;
}

export interface ImageInfo {
  readonly filename: string;
  readonly format: string;
  readonly 'virtual-size': number;
  readonly 'actual-size'?: number;
  readonly 'cluster-size'?: number;
  readonly 'dirty-flag'?: boolean;
  readonly encrypted?: boolean;
  readonly 'backing-filename'?: string;
  readonly 'full-backing-filename'?: string;
  readonly 'backing-filename-format'?: string;
  readonly 'backing-image'?: ImageInfo;
  readonly 'format-specific'?: { readonly type: string; readonly data: QmpValue };
}

export interface BlockNodeInfo {
  readonly file: string;
  readonly 'node-name'?: string;
  readonly ro: boolean;
  readonly drv: string;
  readonly backing_file?: string;
  readonly backing_file_depth: number;
  readonly encrypted: boolean;
  readonly detect_zeroes: 'off' | 'on' | 'unmap';
  readonly image: ImageInfo;
  readonly bps: number;
  readonly bps_rd: number;
  readonly bps_wr: number;
  readonly iops: number;
  readonly iops_rd: number;
  readonly iops_wr: number;
  readonly group?: string;
  readonly cache: { readonly writeback: boolean; readonly direct: boolean; readonly 'no-flush': boolean };
  readonly write_threshold: number;
  readonly 'dirty-bitmaps'?: readonly DirtyBitmapInfo[];
}

export type BlockIoStatus = 'ok' | 'failed' | 'nospace';

export interface BlockInfo {
  /** Name of the back end; empty when the device was given a node. */
  readonly device: string;
  readonly qdev?: string;
  readonly type: string;
  readonly removable: boolean;
  readonly locked: boolean;
  readonly tray_open?: boolean;
  readonly 'io-status'?: BlockIoStatus;
  /** Absent from an empty drive. */
  readonly inserted?: BlockNodeInfo;
}

export interface BlockDeviceStats {
  readonly rd_bytes: number;
  readonly wr_bytes: number;
  readonly unmap_bytes: number;
  readonly rd_operations: number;
  readonly wr_operations: number;
  readonly flush_operations: number;
  readonly unmap_operations: number;
  readonly rd_total_time_ns: number;
  readonly wr_total_time_ns: number;
  readonly flush_total_time_ns: number;
  readonly unmap_total_time_ns: number;
  readonly wr_highest_offset: number;
  readonly idle_time_ns?: number;
  readonly failed_rd_operations: number;
  readonly failed_wr_operations: number;
  readonly failed_flush_operations: number;
  readonly invalid_rd_operations: number;
  readonly invalid_wr_operations: number;
}

export interface BlockStats {
  readonly device?: string;
  readonly qdev?: string;
  readonly 'node-name'?: string;
  readonly stats: BlockDeviceStats;
  readonly parent?: BlockStats;
  readonly backing?: BlockStats;
}

/** A node's options, or the name of a node that exists. `null` as `backing`: none, whatever the header says. */
export type BlockNodeReference = string | null | BlockdevOptions;

/** Members beyond these belong to the driver. */
export interface BlockdevOptions {
  readonly driver: string;
  readonly 'node-name'?: string;
  readonly 'read-only'?: boolean;
  readonly 'auto-read-only'?: boolean;
  readonly 'force-share'?: boolean;
  readonly discard?: 'ignore' | 'unmap';
  readonly 'detect-zeroes'?: 'off' | 'on' | 'unmap';
  readonly cache?: { readonly direct?: boolean; readonly 'no-flush'?: boolean };
  readonly file?: BlockNodeReference;
  readonly backing?: BlockNodeReference;
  readonly filename?: string;
  readonly [option: string]: QmpValue | BlockNodeReference | undefined;
}

export interface BitmapReference {
  readonly node: string;
  readonly name: string;
}

export interface BitmapAddArguments extends BitmapReference {
  /** Bytes, a power of two from 512 on. */
  readonly granularity?: number;
  readonly persistent?: boolean;
  readonly disabled?: boolean;
}

export interface BitmapMergeArguments {
  readonly node: string;
  readonly target: string;
  /** Names on the same node, or bitmaps of other nodes. */
  readonly bitmaps: readonly (string | BitmapReference)[];
}

export interface BlockdevSnapshotArguments {
  readonly node: string;
  readonly overlay: string;
}

export interface BlockdevBackupArguments extends JobCommon {
  readonly device: string;
  readonly target: string;
  readonly sync: 'top' | 'full' | 'none' | 'incremental' | 'bitmap';
  readonly bitmap?: string;
  readonly 'bitmap-mode'?: 'on-success' | 'never' | 'always';
  readonly compress?: boolean;
  readonly 'on-source-error'?: OnError;
  readonly 'on-target-error'?: OnError;
}

/** The actions of `transaction`: all of them take effect, or none. */
export type TransactionAction =
  | { readonly type: 'abort'; readonly data: Nothing }
  | { readonly type: 'blockdev-snapshot'; readonly data: BlockdevSnapshotArguments }
  | { readonly type: 'blockdev-backup'; readonly data: BlockdevBackupArguments }
  | { readonly type: 'block-dirty-bitmap-add'; readonly data: BitmapAddArguments }
  | { readonly type: 'block-dirty-bitmap-merge'; readonly data: BitmapMergeArguments }
  | {
      readonly type:
        | 'block-dirty-bitmap-remove'
        | 'block-dirty-bitmap-clear'
        | 'block-dirty-bitmap-enable'
        | 'block-dirty-bitmap-disable';
      readonly data: BitmapReference;
    };

/** Zero means no limit. `*_max` bursts for `*_max_length` seconds. */
export interface IoThrottle {
  readonly id?: string;
  readonly device?: string;
  readonly bps: number;
  readonly bps_rd: number;
  readonly bps_wr: number;
  readonly iops: number;
  readonly iops_rd: number;
  readonly iops_wr: number;
  readonly bps_max?: number;
  readonly bps_rd_max?: number;
  readonly bps_wr_max?: number;
  readonly iops_max?: number;
  readonly iops_rd_max?: number;
  readonly iops_wr_max?: number;
  readonly bps_max_length?: number;
  readonly bps_rd_max_length?: number;
  readonly bps_wr_max_length?: number;
  readonly iops_max_length?: number;
  readonly iops_rd_max_length?: number;
  readonly iops_wr_max_length?: number;
  /** Bytes that count as one operation, for normalised figures. */
  readonly iops_size?: number;
  readonly group?: string;
}

export interface NbdExportArguments {
  readonly type: 'nbd';
  readonly id: string;
  readonly 'node-name': string;
  readonly writable?: boolean;
  readonly writethrough?: boolean;
  readonly iothread?: string;
  readonly name?: string;
  readonly description?: string;
  readonly bitmaps?: readonly (string | BitmapReference)[];
  readonly 'allocation-depth'?: boolean;
}

export interface BlockExportInfo {
  readonly id: string;
  readonly type: 'nbd' | 'vhost-user-blk' | 'fuse' | 'vduse-blk';
  readonly 'node-name': string;
  readonly 'shutting-down': boolean;
}

export interface BlockGraph {
  readonly nodes: readonly {
    readonly id: number;
    readonly type: 'block-backend' | 'block-job' | 'block-driver';
    readonly name: string;
  }[];
  /** `name` is what the child is to the parent: `backing`, `file`, `root`. */
  readonly edges: readonly { readonly parent: number; readonly child: number; readonly name: string }[];
}

export interface DriveReference {
  readonly id?: string;
  readonly device?: string;
}

export interface BlockCommands {
  'query-block': Command<NoArguments, readonly BlockInfo[]>;
  /** `flat`: without the images below each, which is what a chain of many layers wants. */
  'query-named-block-nodes': Command<{ readonly flat?: boolean }, readonly BlockNodeInfo[]>;
  /** Who lies on whom, also where a job has put a filter between. For debugging, says QEMU; unchanged since 4.0. */
  'x-debug-query-block-graph': Command<NoArguments, BlockGraph>;
  'query-blockstats': Command<{ readonly 'query-nodes'?: boolean }, readonly BlockStats[]>;
  'blockdev-add': Command<BlockdevOptions, Nothing>;
  'blockdev-del': Command<{ readonly 'node-name': string }, Nothing>;
  'blockdev-reopen': Command<{ readonly options: readonly BlockdevOptions[] }, Nothing>;
  'blockdev-create': Command<{ readonly 'job-id': string; readonly options: BlockdevOptions }, Nothing>;
  'blockdev-snapshot': Command<BlockdevSnapshotArguments, Nothing>;
  'change-backing-file': Command<
    { readonly device: string; readonly 'image-node-name': string; readonly 'backing-file': string },
    Nothing
  >;
  'block-commit': Command<
    JobCommon & {
      readonly device: string;
      readonly 'base-node'?: string;
      readonly 'top-node'?: string;
      readonly 'backing-file'?: string;
      readonly 'on-error'?: OnError;
    },
    Nothing
  >;
  'block-stream': Command<
    JobCommon & {
      readonly device: string;
      readonly 'base-node'?: string;
      readonly bottom?: string;
      readonly 'backing-file'?: string;
      readonly 'on-error'?: OnError;
    },
    Nothing
  >;
  'blockdev-mirror': Command<
    JobCommon & {
      readonly device: string;
      readonly target: string;
      readonly sync: 'top' | 'full' | 'none';
      readonly replaces?: string;
      readonly granularity?: number;
      readonly 'buf-size'?: number;
      readonly 'copy-mode'?: 'background' | 'write-blocking';
      readonly 'on-source-error'?: OnError;
      readonly 'on-target-error'?: OnError;
    },
    Nothing
  >;
  'blockdev-backup': Command<BlockdevBackupArguments, Nothing>;
  'block-dirty-bitmap-add': Command<BitmapAddArguments, Nothing>;
  'block-dirty-bitmap-remove': Command<BitmapReference, Nothing>;
  'block-dirty-bitmap-clear': Command<BitmapReference, Nothing>;
  'block-dirty-bitmap-enable': Command<BitmapReference, Nothing>;
  'block-dirty-bitmap-disable': Command<BitmapReference, Nothing>;
  'block-dirty-bitmap-merge': Command<BitmapMergeArguments, Nothing>;
  transaction: Command<
    {
      readonly actions: readonly TransactionAction[];
      readonly properties?: { readonly 'completion-mode'?: 'individual' | 'grouped' };
    },
    Nothing
  >;
  'query-jobs': Command<NoArguments, readonly JobInfo[]>;
  'query-block-jobs': Command<NoArguments, readonly BlockJobInfo[]>;
  'job-pause': Command<{ readonly id: string }, Nothing>;
  'job-resume': Command<{ readonly id: string }, Nothing>;
  'job-cancel': Command<{ readonly id: string }, Nothing>;
  'job-complete': Command<{ readonly id: string }, Nothing>;
  'job-finalize': Command<{ readonly id: string }, Nothing>;
  'job-dismiss': Command<{ readonly id: string }, Nothing>;
  /** Unlike `job-cancel`, a ready mirror ends well: the target is a copy of that moment. */
  'block-job-cancel': Command<{ readonly device: string; readonly force?: boolean }, Nothing>;
  /** Bytes per second; 0 is unlimited. */
  'block-job-set-speed': Command<{ readonly device: string; readonly speed: number }, Nothing>;
  block_resize: Command<
    { readonly device?: string; readonly 'node-name'?: string; readonly size: number },
    Nothing
  >;
  block_set_io_throttle: Command<IoThrottle, Nothing>;
  'block-set-write-threshold': Command<
    { readonly 'node-name': string; readonly 'write-threshold': number },
    Nothing
  >;
  'nbd-server-start': Command<
    {
      readonly addr: SocketAddressLegacy;
      readonly 'tls-creds'?: string;
      readonly 'tls-authz'?: string;
      readonly 'max-connections'?: number;
    },
    Nothing
  >;
  'nbd-server-stop': Command<NoArguments, Nothing>;
  'block-export-add': Command<NbdExportArguments, Nothing>;
  'block-export-del': Command<{ readonly id: string; readonly mode?: 'safe' | 'hard' }, Nothing>;
  'query-block-exports': Command<NoArguments, readonly BlockExportInfo[]>;
  eject: Command<DriveReference & { readonly force?: boolean }, Nothing>;
  'blockdev-open-tray': Command<DriveReference & { readonly force?: boolean }, Nothing>;
  'blockdev-close-tray': Command<DriveReference, Nothing>;
  'blockdev-remove-medium': Command<{ readonly id: string }, Nothing>;
  'blockdev-insert-medium': Command<{ readonly id: string; readonly 'node-name': string }, Nothing>;
}
