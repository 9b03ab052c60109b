import { defineErrors, error } from '@corral/core/errors';

export const daemonErrors = defineErrors('daemon', {
  usage: error<{ reason: string }>(
    400,
    'Wrong arguments',
    (p) => `${p.reason}\nUsage: corrald --data DIR [--listen HOST:PORT] [--name NODE]`,
  ),
  'bad-data-directory': error<{ path: string; reason: string }>(
    400,
    'The data directory cannot be used',
    (p) =>
      `The data directory ${p.path} cannot be made or used (${p.reason}). Choose another --data directory, or see to it that it is a folder this user may write to.`,
  ),
  'socket-in-use': error<{ path: string; holder: string }>(
    409,
    'Another daemon answers at the socket',
    (p) =>
      `${p.holder} answers at ${p.path} already. Stop it, or start this one with another --data directory.`,
  ),
  'socket-blocked': error<{ path: string; what: string }>(
    409,
    'The place of the socket is taken',
    (p) => `${p.path} is ${p.what}, where the daemon's socket should be. Move it away.`,
  ),
  'socket-path-too-long': error<{ path: string; bytes: number; limit: number }>(
    400,
    'The path of the socket is too long',
    (p) =>
      `The socket's path ${p.path} has ${p.bytes} bytes; Linux allows ${p.limit}. Choose a shorter --data directory.`,
  ),
  'bad-listen-address': error<{ address: string }>(
    400,
    'Not an address to listen at',
    (p) =>
      `"${p.address}" is not an address to listen at. Write HOST:PORT: 127.0.0.1:7443, [::1]:7443, 0.0.0.0:7443.`,
  ),
  'cannot-listen': error<{ address: string; reason: string; fix: string }>(
    409,
    'Cannot listen at the address',
    (p) => `Cannot listen at ${p.address}: ${p.reason}. ${p.fix}`,
  ),
  'bad-certificate': error<{ path: string; reason: string }>(
    500,
    'A certificate of the daemon cannot be used',
    (p) =>
      `${p.path} cannot be used (${p.reason}). Put it back, or move the folder away and restart: the daemon makes new certificates, and clients need the new ca.pem.`,
  ),
});

export const tokenErrors = defineErrors('token', {
  'not-found': error<{ token: string }>(
    404,
    'No such token',
    (p) => `There is no token "${p.token}". "corral token list" shows those that are.`,
  ),
  exists: error<{ name: string }>(
    409,
    'The name is taken',
    (p) => `A token named "${p.name}" exists already. Choose another name, or revoke that one.`,
  ),
});
