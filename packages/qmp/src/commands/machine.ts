/** Commands on the machine as a whole: its state, processors, memory and what the binary offers. */
import type { Command, NoArguments, Nothing, QmpValue } from './command.ts';

export type RunState =
  | 'debug'
  | 'inmigrate'
  | 'internal-error'
  | 'io-error'
  | 'paused'
  | 'postmigrate'
  | 'prelaunch'
  | 'finish-migrate'
  | 'restore-vm'
  | 'running'
  | 'save-vm'
  | 'shutdown'
  | 'suspended'
  | 'watchdog'
  | 'guest-panicked'
  | 'colo';

export interface StatusInfo {
  readonly status: RunState;
  readonly running: boolean;
}

export interface VersionInfo {
  readonly qemu: { readonly major: number; readonly minor: number; readonly micro: number };
  /** The distribution's own version, such as `Debian 1:7.2+dfsg-7`. */
  readonly package: string;
}

export interface CpuPlace {
  readonly 'node-id'?: number;
  readonly 'socket-id'?: number;
  readonly 'die-id'?: number;
  readonly 'cluster-id'?: number;
  readonly 'core-id'?: number;
  readonly 'thread-id'?: number;
}

export interface CpuInfo {
  readonly 'cpu-index': number;
  readonly 'qom-path': string;
  /** The host's thread id, for affinity and processor time. */
  readonly 'thread-id': number;
  readonly props?: CpuPlace;
  readonly target: string;
}

export interface HotpluggableCpu {
  readonly type: string;
  readonly 'vcpus-count': number;
  readonly props: CpuPlace;
  /** Absent while the place is empty. */
  readonly 'qom-path'?: string;
}

export interface MachineInfo {
  readonly name: string;
  readonly alias?: string;
  readonly 'is-default'?: boolean;
  readonly 'cpu-max': number;
  readonly 'hotpluggable-cpus': boolean;
  readonly 'numa-mem-supported': boolean;
  readonly deprecated: boolean;
  readonly 'default-cpu-type'?: string;
  readonly 'default-ram-id'?: string;
}

export interface CpuDefinition {
  readonly name: string;
  readonly 'migration-safe'?: boolean;
  readonly static: boolean;
  /** Features that this host lacks for the model; empty if it runs here. */
  readonly 'unavailable-features'?: readonly string[];
  readonly typename: string;
  readonly 'alias-of'?: string;
  readonly deprecated: boolean;
}

export interface CpuModel {
  readonly name: string;
  readonly props?: { readonly [property: string]: QmpValue };
}

export interface MemoryDevice {
  readonly type: 'dimm' | 'nvdimm' | 'virtio-pmem' | 'virtio-mem' | 'sgx-epc' | 'hv-balloon';
  readonly data: {
    readonly id?: string;
    readonly size: number;
    readonly memdev?: string;
    readonly node?: number;
    readonly 'requested-size'?: number;
    readonly 'max-size'?: number;
    readonly 'block-size'?: number;
  };
}

export interface IoThreadInfo {
  readonly id: string;
  readonly 'thread-id': number;
  readonly 'poll-max-ns': number;
}

export interface QomProperty {
  readonly name: string;
  readonly type: string;
  readonly description?: string;
  readonly 'default-value'?: QmpValue;
}

/** What QEMU does by itself when the guest does one of these. */
export interface GuestActions {
  readonly reboot?: 'reset' | 'shutdown';
  readonly shutdown?: 'poweroff' | 'pause';
  readonly panic?: 'pause' | 'shutdown' | 'exit-failure' | 'none';
  readonly watchdog?: 'reset' | 'shutdown' | 'poweroff' | 'pause' | 'debug' | 'none' | 'inject-nmi';
}

export interface StatsResult {
  readonly provider: string;
  readonly 'qom-path'?: string;
  readonly stats: readonly {
    readonly name: string;
    readonly value: number | boolean | readonly number[];
  }[];
}

/** One entry of `query-qmp-schema`; `SchemaInfo` in QEMU's qapi/introspect.json. */
export interface SchemaEntry {
  readonly name: string;
  readonly 'meta-type': 'builtin' | 'enum' | 'array' | 'object' | 'alternate' | 'command' | 'event';
  readonly 'arg-type'?: string;
  readonly 'ret-type'?: string;
  readonly 'allow-oob'?: boolean;
  readonly 'element-type'?: string;
  readonly features?: readonly string[];
  /** Of an enum: its values. 7.2 has both this and `members`. */
  readonly values?: readonly string[];
  /** Of an object: its members. Of an enum: its values as `name`. Of an alternate: `type` alone. */
  readonly members?: readonly {
    readonly name?: string;
    readonly type?: string;
    readonly default?: null;
    readonly features?: readonly string[];
  }[];
  readonly tag?: string;
  readonly variants?: readonly { readonly case: string; readonly type: string }[];
}

export interface MachineCommands {
  qmp_capabilities: Command<{ readonly enable?: readonly 'oob'[] }, Nothing>;
  'query-status': Command<NoArguments, StatusInfo>;
  'query-version': Command<NoArguments, VersionInfo>;
  'query-name': Command<NoArguments, { readonly name?: string }>;
  'query-uuid': Command<NoArguments, { readonly UUID: string }>;
  'query-kvm': Command<NoArguments, { readonly enabled: boolean; readonly present: boolean }>;
  'query-target': Command<NoArguments, { readonly arch: string }>;
  'query-vm-generation-id': Command<NoArguments, { readonly guid: string }>;
  'query-current-machine': Command<NoArguments, { readonly 'wakeup-suspend-support': boolean }>;
  'query-machines': Command<NoArguments, readonly MachineInfo[]>;
  'query-cpu-definitions': Command<NoArguments, readonly CpuDefinition[]>;
  'query-cpu-model-expansion': Command<
    { readonly type: 'static' | 'full'; readonly model: CpuModel },
    { readonly model: CpuModel }
  >;
  'query-qmp-schema': Command<NoArguments, readonly SchemaEntry[]>;
  'query-cpus-fast': Command<NoArguments, readonly CpuInfo[]>;
  'query-hotpluggable-cpus': Command<NoArguments, readonly HotpluggableCpu[]>;
  'query-iothreads': Command<NoArguments, readonly IoThreadInfo[]>;
  'query-memory-size-summary': Command<
    NoArguments,
    { readonly 'base-memory': number; readonly 'plugged-memory'?: number }
  >;
  'query-memory-devices': Command<NoArguments, readonly MemoryDevice[]>;
  'query-balloon': Command<NoArguments, { readonly actual: number }>;
  /** `value`: bytes that the guest keeps. */
  balloon: Command<{ readonly value: number }, Nothing>;
  'query-stats': Command<
    {
      readonly target: 'vm' | 'vcpu';
      readonly vcpus?: readonly string[];
      readonly providers?: readonly { readonly provider: string; readonly names?: readonly string[] }[];
    },
    readonly StatsResult[]
  >;
  'qom-list': Command<{ readonly path: string }, readonly QomProperty[]>;
  'qom-get': Command<{ readonly path: string; readonly property: string }, QmpValue>;
  'qom-set': Command<{ readonly path: string; readonly property: string; readonly value: QmpValue }, Nothing>;
  'qom-list-types': Command<
    { readonly implements?: string; readonly abstract?: boolean },
    readonly { readonly name: string; readonly abstract?: boolean; readonly parent?: string }[]
  >;
  'qom-list-properties': Command<{ readonly typename: string }, readonly QomProperty[]>;
  cont: Command<NoArguments, Nothing>;
  stop: Command<NoArguments, Nothing>;
  system_reset: Command<NoArguments, Nothing>;
  system_powerdown: Command<NoArguments, Nothing>;
  system_wakeup: Command<NoArguments, Nothing>;
  quit: Command<NoArguments, Nothing>;
  'set-action': Command<GuestActions, Nothing>;
  'inject-nmi': Command<NoArguments, Nothing>;
  'human-monitor-command': Command<
    { readonly 'command-line': string; readonly 'cpu-index'?: number },
    string
  >;
  'dump-guest-memory': Command<
    {
      readonly paging: boolean;
      readonly protocol: string;
      readonly detach?: boolean;
      readonly format?: 'elf' | 'kdump-zlib' | 'kdump-lzo' | 'kdump-snappy' | 'win-dmp';
    },
    Nothing
  >;
}
