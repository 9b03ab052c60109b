/** Commands that add, remove and steer devices, their back ends and the displays. */
import type {
  Command,
  NoArguments,
  Nothing,
  QmpValue,
  SocketAddress,
  SocketAddressLegacy,
} from './command.ts';
import type { QomProperty } from './machine.ts';

/** Members beyond these are the properties of the driver. */
export interface DeviceAddArguments {
  readonly driver: string;
  readonly id?: string;
  readonly bus?: string;
  readonly [property: string]: QmpValue | undefined;
}

/** Members beyond these belong to the type. */
export interface NetdevArguments {
  readonly id: string;
  readonly type: 'user' | 'tap' | 'bridge' | 'socket' | 'stream' | 'dgram' | 'hubport' | 'vhost-user' | 'vde';
  readonly addr?: SocketAddress;
  readonly [option: string]: QmpValue | SocketAddress | undefined;
}

/** Members beyond these are the properties of the object. */
export interface ObjectAddArguments {
  readonly 'qom-type': string;
  readonly id: string;
  readonly [property: string]: QmpValue | undefined;
}

export type ChardevBackend =
  | { readonly type: 'null' | 'pty'; readonly data: Readonly<Record<string, never>> }
  | { readonly type: 'file'; readonly data: { readonly out: string; readonly append?: boolean } }
  | { readonly type: 'ringbuf'; readonly data: { readonly size?: number; readonly logfile?: string } }
  | {
      readonly type: 'socket';
      readonly data: {
        readonly addr: SocketAddressLegacy;
        readonly server?: boolean;
        readonly wait?: boolean;
        readonly reconnect?: number;
        readonly logfile?: string;
        readonly logappend?: boolean;
      };
    };

export interface ChardevInfo {
  readonly label: string;
  readonly filename: string;
  /** For a virtio-serial port: whether the guest has it open. */
  readonly 'frontend-open': boolean;
}

export interface RxFilterInfo {
  readonly name: string;
  readonly promiscuous: boolean;
  readonly 'main-mac': string;
  readonly 'unicast-overflow': boolean;
  readonly 'multicast-overflow': boolean;
  readonly 'unicast-table': readonly string[];
  readonly 'multicast-table': readonly string[];
  readonly 'vlan-table': readonly number[];
}

export interface VncInfo {
  readonly enabled: boolean;
  readonly host?: string;
  readonly family?: 'ipv4' | 'ipv6' | 'unix' | 'vsock' | 'unknown';
  readonly service?: string;
  readonly auth?: string;
  readonly clients?: readonly {
    readonly host: string;
    readonly service: string;
    readonly family: string;
    readonly websocket: boolean;
  }[];
}

export interface DisplayPassword {
  readonly protocol: 'vnc' | 'spice';
  readonly password: string;
  readonly connected?: 'keep' | 'fail' | 'disconnect';
  readonly display?: string;
}

export interface KeyValue {
  readonly type: 'qcode' | 'number';
  readonly data: string | number;
}

export interface DeviceCommands {
  device_add: Command<DeviceAddArguments, Nothing>;
  /** Only asks the guest; DEVICE_DELETED tells that the device is gone. */
  device_del: Command<{ readonly id: string }, Nothing>;
  'device-list-properties': Command<{ readonly typename: string }, readonly QomProperty[]>;
  netdev_add: Command<NetdevArguments, Nothing>;
  netdev_del: Command<{ readonly id: string }, Nothing>;
  set_link: Command<{ readonly name: string; readonly up: boolean }, Nothing>;
  'query-rx-filter': Command<{ readonly name?: string }, readonly RxFilterInfo[]>;
  'announce-self': Command<
    {
      readonly initial: number;
      readonly max: number;
      readonly rounds: number;
      readonly step: number;
      readonly interfaces?: readonly string[];
      readonly id?: string;
    },
    Nothing
  >;
  'object-add': Command<ObjectAddArguments, Nothing>;
  'object-del': Command<{ readonly id: string }, Nothing>;
  'query-chardev': Command<NoArguments, readonly ChardevInfo[]>;
  'chardev-add': Command<
    { readonly id: string; readonly backend: ChardevBackend },
    { readonly pty?: string }
  >;
  'chardev-change': Command<
    { readonly id: string; readonly backend: ChardevBackend },
    { readonly pty?: string }
  >;
  'chardev-remove': Command<{ readonly id: string }, Nothing>;
  'ringbuf-read': Command<
    { readonly device: string; readonly size: number; readonly format?: 'utf8' | 'base64' },
    string
  >;
  'query-tpm': Command<NoArguments, readonly { readonly id: string; readonly model: string }[]>;
  'query-vnc': Command<NoArguments, VncInfo>;
  set_password: Command<DisplayPassword, Nothing>;
  /** `time`: `now`, `never`, `+SECONDS` or seconds since 1970. */
  expire_password: Command<
    { readonly protocol: 'vnc' | 'spice'; readonly time: string; readonly display?: string },
    Nothing
  >;
  'change-vnc-password': Command<{ readonly password: string }, Nothing>;
  /** `filename`: written by QEMU, with QEMU's rights. */
  screendump: Command<
    {
      readonly filename: string;
      readonly device?: string;
      readonly head?: number;
      readonly format?: 'ppm' | 'png';
    },
    Nothing
  >;
  'send-key': Command<{ readonly keys: readonly KeyValue[]; readonly 'hold-time'?: number }, Nothing>;
}
