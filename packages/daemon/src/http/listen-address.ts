/** HOST:PORT as people write it. */
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { daemonErrors } from '../errors.ts';

export interface ListenAddress {
  /** An address or a name, without brackets. */
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
}

/** Loopback: who wants the API on a network says so. */
export const defaultListenAddress: ListenAddress = { host: '127.0.0.1', port: 7443 };

/** @throws daemon.bad-listen-address */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) throw daemonErrors['bad-listen-address']({ address: text });
  return { host: (match[1] ?? match[2])!, port };
}

export function formatAddress({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** @returns the address with the port that was taken @throws daemon.cannot-listen */
export async function listenOnAddress(app: FastifyInstance, address: ListenAddress): Promise<ListenAddress> {
  try {
    await app.listen(address);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const [reason, fix] = explain(code, message);
    throw daemonErrors['cannot-listen']({ address: formatAddress(address), reason, fix }, { cause });
  }
  return { host: address.host, port: (app.server.address() as AddressInfo).port };
}

function explain(code: string | undefined, message: string): [reason: string, fix: string] {
  switch (code) {
    case 'EADDRINUSE':
      return ['another program listens there', 'Stop it, or choose another port with --listen HOST:PORT.'];
    case 'EADDRNOTAVAIL':
      return ['this host has no such address', 'Choose one of its own with --listen HOST:PORT.'];
    case 'EACCES':
      return ['ports below 1024 need a privilege', 'Choose a higher port with --listen HOST:PORT.'];
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return ['the name cannot be resolved', 'Write an address instead of the name.'];
    default:
      return [message, 'Choose another address with --listen HOST:PORT.'];
  }
}
