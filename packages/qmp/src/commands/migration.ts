/** Commands of migration, which also saves a machine to a file and takes a snapshot of a running one. */
import type { Command, NoArguments, Nothing, SocketAddress } from './command.ts';

export type MigrationStatus =
  | 'none'
  | 'setup'
  | 'cancelling'
  | 'cancelled'
  | 'active'
  | 'postcopy-active'
  | 'postcopy-paused'
  | 'postcopy-recover'
  | 'completed'
  | 'failed'
  | 'colo'
  | 'pre-switchover'
  | 'device'
  | 'wait-unplug';

/** Newer binaries know more: ask `QmpFeatures.hasValue`. */
export type MigrationCapability =
  | 'xbzrle'
  | 'rdma-pin-all'
  | 'auto-converge'
  | 'events'
  | 'postcopy-ram'
  | 'release-ram'
  | 'return-path'
  | 'pause-before-switchover'
  | 'multifd'
  | 'dirty-bitmaps'
  | 'late-block-activate'
  | 'x-ignore-shared'
  | 'validate-uuid'
  | 'background-snapshot'
  | 'zero-copy-send'
  | 'postcopy-preempt'
  | 'switchover-ack'
  | 'dirty-limit'
  | 'mapped-ram';

export interface BitmapNodeMapping {
  readonly 'node-name': string;
  readonly alias: string;
  readonly bitmaps: readonly {
    readonly name: string;
    readonly alias: string;
    readonly transform?: { readonly persistent?: boolean };
  }[];
}

export interface MigrationParameters {
  readonly 'announce-initial'?: number;
  readonly 'announce-max'?: number;
  readonly 'announce-rounds'?: number;
  readonly 'announce-step'?: number;
  readonly 'throttle-trigger-threshold'?: number;
  readonly 'cpu-throttle-initial'?: number;
  readonly 'cpu-throttle-increment'?: number;
  readonly 'cpu-throttle-tailslow'?: boolean;
  readonly 'tls-creds'?: string;
  readonly 'tls-hostname'?: string;
  readonly 'tls-authz'?: string;
  /** Bytes per second. */
  readonly 'max-bandwidth'?: number;
  /** Milliseconds. */
  readonly 'downtime-limit'?: number;
  readonly 'multifd-channels'?: number;
  readonly 'multifd-compression'?: 'none' | 'zlib' | 'zstd' | 'qpl' | 'qatzip' | 'uadk';
  readonly 'multifd-zlib-level'?: number;
  readonly 'multifd-zstd-level'?: number;
  readonly 'xbzrle-cache-size'?: number;
  readonly 'max-postcopy-bandwidth'?: number;
  readonly 'max-cpu-throttle'?: number;
  readonly 'block-bitmap-mapping'?: readonly BitmapNodeMapping[];
  /** From QEMU 9.1 on. */
  readonly 'direct-io'?: boolean;
}

export interface MigrationRam {
  readonly transferred: number;
  readonly remaining: number;
  readonly total: number;
  readonly duplicate: number;
  readonly normal: number;
  readonly 'normal-bytes': number;
  readonly 'dirty-pages-rate': number;
  readonly mbps: number;
  readonly 'dirty-sync-count': number;
  readonly 'postcopy-requests': number;
  readonly 'page-size': number;
  readonly 'multifd-bytes': number;
  readonly 'pages-per-second': number;
  readonly 'precopy-bytes': number;
  readonly 'downtime-bytes': number;
  readonly 'postcopy-bytes': number;
}

export interface MigrationInfo {
  /** Absent if no migration was begun. */
  readonly status?: MigrationStatus;
  readonly ram?: MigrationRam;
  /** Milliseconds, as the next three. */
  readonly 'total-time'?: number;
  readonly 'expected-downtime'?: number;
  readonly downtime?: number;
  readonly 'setup-time'?: number;
  readonly 'cpu-throttle-percentage'?: number;
  readonly 'error-desc'?: string;
  readonly 'blocked-reasons'?: readonly string[];
  readonly 'socket-address'?: readonly SocketAddress[];
}

export interface DirtyRateInfo {
  /** MiB per second; absent until measured. */
  readonly 'dirty-rate'?: number;
  readonly status: 'unstarted' | 'measuring' | 'measured';
  readonly 'calc-time': number;
}

export type YankInstance =
  | { readonly type: 'block-node'; readonly 'node-name': string }
  | { readonly type: 'chardev'; readonly id: string }
  | { readonly type: 'migration' };

export interface MigrationCommands {
  migrate: Command<{ readonly uri: string; readonly resume?: boolean }, Nothing>;
  'migrate-incoming': Command<{ readonly uri: string }, Nothing>;
  'migrate-continue': Command<{ readonly state: MigrationStatus }, Nothing>;
  'migrate-start-postcopy': Command<NoArguments, Nothing>;
  'migrate-pause': Command<NoArguments, Nothing>;
  'migrate-recover': Command<{ readonly uri: string }, Nothing>;
  migrate_cancel: Command<NoArguments, Nothing>;
  'migrate-set-parameters': Command<MigrationParameters, Nothing>;
  'query-migrate-parameters': Command<NoArguments, MigrationParameters>;
  'migrate-set-capabilities': Command<
    {
      readonly capabilities: readonly {
        readonly capability: MigrationCapability;
        readonly state: boolean;
      }[];
    },
    Nothing
  >;
  'query-migrate-capabilities': Command<
    NoArguments,
    readonly { readonly capability: MigrationCapability; readonly state: boolean }[]
  >;
  'query-migrate': Command<NoArguments, MigrationInfo>;
  'calc-dirty-rate': Command<
    {
      /** Seconds. */
      readonly 'calc-time': number;
      readonly 'sample-pages'?: number;
      readonly mode?: 'page-sampling' | 'dirty-ring' | 'dirty-bitmap';
    },
    Nothing
  >;
  'query-dirty-rate': Command<NoArguments, DirtyRateInfo>;
  /** Cuts connections that hang. May be executed out of band. */
  yank: Command<{ readonly instances: readonly YankInstance[] }, Nothing>;
  'query-yank': Command<NoArguments, readonly YankInstance[]>;
}
