/** One command of the monitor: the members of its `arguments`, and what it returns. */
export interface Command<A, R> {
  readonly arguments: A;
  readonly returns: R;
}

/** For a command that takes no arguments. */
export type NoArguments = Readonly<Record<string, never>>;

/** `{}` on the wire: the command says no more than that it was carried out. */
export type Nothing = Readonly<Record<string, never>>;

/** A value whose shape depends on what was asked (a QOM property, a driver's options). */
export type QmpValue =
  | string
  | number
  | boolean
  | null
  | readonly QmpValue[]
  | { readonly [member: string]: QmpValue | undefined };

/** QEMU's SocketAddress, as `nbd-server-start` and chardevs write it: the body below `data`. */
export type SocketAddressLegacy =
  | { readonly type: 'unix'; readonly data: { readonly path: string } }
  | { readonly type: 'inet'; readonly data: InetAddress }
  | { readonly type: 'fd'; readonly data: { readonly str: string } };

/** QEMU's SocketAddress, flat, as newer commands write it. */
export type SocketAddress =
  | { readonly type: 'unix'; readonly path: string }
  | ({ readonly type: 'inet' } & InetAddress)
  | { readonly type: 'fd'; readonly str: string };

export interface InetAddress {
  readonly host: string;
  /** A number or a service name, as text. */
  readonly port: string;
  readonly to?: number;
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  readonly 'keep-alive'?: boolean;
}
