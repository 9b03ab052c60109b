/** The monitor's events that Corral knows, by name: their `data`. Others arrive too, with data of unknown shape. */
import type { JobStatus, JobType } from './commands/block-job.ts';
import type { QmpValue } from './commands/command.ts';
import type { MigrationStatus } from './commands/migration.ts';

/** Why the machine was shut down or reset; QEMU's ShutdownCause. */
export type ShutdownCause =
  | 'none'
  | 'host-error'
  | 'host-qmp-quit'
  | 'host-qmp-system-reset'
  | 'host-signal'
  | 'host-ui'
  | 'guest-shutdown'
  | 'guest-reset'
  | 'guest-panic'
  | 'subsystem-reset'
  | 'snapshot-load';

type NoData = Readonly<Record<string, never>>;

interface BlockJobData {
  readonly type: JobType;
  /** The job's id, despite the name. */
  readonly device: string;
  readonly len: number;
  readonly offset: number;
  readonly speed: number;
}

interface GuestCrash {
  readonly action: 'pause' | 'poweroff' | 'run';
  readonly info?: QmpValue;
}

interface DisplayClient {
  readonly host: string;
  readonly service: string;
  readonly family: string;
  readonly websocket: boolean;
}

interface DisplayConnection {
  readonly server: DisplayClient & { readonly auth?: string };
  readonly client: DisplayClient;
}

interface DevicePath {
  /** The device's id, if it was given one. */
  readonly device?: string;
  readonly path: string;
}

export interface QmpEventData {
  SHUTDOWN: { readonly guest: boolean; readonly reason: ShutdownCause };
  RESET: { readonly guest: boolean; readonly reason: ShutdownCause };
  POWERDOWN: NoData;
  STOP: NoData;
  RESUME: NoData;
  SUSPEND: NoData;
  SUSPEND_DISK: NoData;
  WAKEUP: NoData;
  GUEST_PANICKED: GuestCrash;
  GUEST_CRASHLOADED: GuestCrash;
  WATCHDOG: { readonly action: string };
  RTC_CHANGE: { readonly offset: number; readonly 'qom-path'?: string };
  BALLOON_CHANGE: { readonly actual: number };
  MEMORY_DEVICE_SIZE_CHANGE: { readonly id?: string; readonly size: number; readonly 'qom-path': string };
  MEMORY_FAILURE: { readonly recipient: 'hypervisor' | 'guest'; readonly action: string };
  BLOCK_IO_ERROR: {
    readonly device: string;
    readonly 'node-name'?: string;
    readonly operation: 'read' | 'write';
    readonly action: 'ignore' | 'report' | 'stop';
    readonly nospace?: boolean;
    readonly reason: string;
  };
  BLOCK_IMAGE_CORRUPTED: {
    readonly device: string;
    readonly 'node-name'?: string;
    readonly msg: string;
    readonly offset?: number;
    readonly size?: number;
    readonly fatal: boolean;
  };
  BLOCK_WRITE_THRESHOLD: {
    readonly 'node-name': string;
    readonly 'amount-exceeded': number;
    readonly 'write-threshold': number;
  };
  BLOCK_EXPORT_DELETED: { readonly id: string };
  BLOCK_JOB_COMPLETED: BlockJobData & { readonly error?: string };
  BLOCK_JOB_CANCELLED: BlockJobData;
  BLOCK_JOB_READY: BlockJobData;
  BLOCK_JOB_PENDING: { readonly type: JobType; readonly id: string };
  BLOCK_JOB_ERROR: {
    readonly device: string;
    readonly operation: 'read' | 'write';
    readonly action: 'ignore' | 'report' | 'stop';
  };
  JOB_STATUS_CHANGE: { readonly id: string; readonly status: JobStatus };
  DEVICE_DELETED: DevicePath;
  DEVICE_UNPLUG_GUEST_ERROR: DevicePath;
  DEVICE_TRAY_MOVED: { readonly device: string; readonly id: string; readonly 'tray-open': boolean };
  VSERPORT_CHANGE: { readonly id: string; readonly open: boolean };
  NIC_RX_FILTER_CHANGED: { readonly name?: string; readonly path: string };
  NETDEV_STREAM_CONNECTED: { readonly 'netdev-id': string; readonly addr: QmpValue };
  NETDEV_STREAM_DISCONNECTED: { readonly 'netdev-id': string };
  MIGRATION: { readonly status: MigrationStatus };
  MIGRATION_PASS: { readonly pass: number };
  UNPLUG_PRIMARY: { readonly 'device-id': string };
  FAILOVER_NEGOTIATED: { readonly 'device-id': string };
  DUMP_COMPLETED: {
    readonly result: { readonly status: string; readonly completed: number; readonly total: number };
    readonly error?: string;
  };
  VNC_CONNECTED: DisplayConnection;
  VNC_INITIALIZED: DisplayConnection;
  VNC_DISCONNECTED: DisplayConnection;
}

export type QmpEventName = keyof QmpEventData;

interface EventOf<N extends QmpEventName> {
  readonly name: N;
  readonly data: QmpEventData[N];
  /** When it happened by QEMU's wall clock, in milliseconds since 1970; may have a fraction. */
  readonly timestampMs: number;
}

/** Discriminated by `name`. An event this table does not know has the same shape at run time. */
export type QmpEvent = { readonly [N in QmpEventName]: EventOf<N> }[QmpEventName];

/** One of the named events: `QmpEventNamed<'SHUTDOWN' | 'RESET'>`. */
export type QmpEventNamed<N extends QmpEventName> = Extract<QmpEvent, { readonly name: N }>;
