import { defineErrors, error } from '@corral/core/errors';

/** `peer` is what the caller called the other side, such as `the export of disk data`. */
export const nbdErrors = defineErrors('nbd', {
  'not-listening': error<{ peer: string; path: string }>(
    502,
    'No NBD server',
    (p) =>
      `Nobody serves ${p.peer} at ${p.path}. The process that exports the disk has ended, or was not told to export it.`,
  ),
  'no-handshake': error<{ peer: string; limitMs: number }>(
    504,
    'The NBD server did not answer',
    (p) =>
      `The server of ${p.peer} did not finish its greeting within ${p.limitMs} ms. It hangs, or has as many clients as it takes; try again or end the others.`,
  ),
  protocol: error<{ peer: string; reason: string }>(
    502,
    'The other side breaks the NBD protocol',
    (p) =>
      `The server of ${p.peer} broke the NBD protocol: ${p.reason}. The connection was closed; nothing it sent since the last answer was used.`,
  ),
  'connection-lost': error<{ peer: string }>(
    502,
    'The connection to the NBD server was lost',
    (p) =>
      `The server of ${p.peer} closed the connection. What was written since the last flush may be lost; connect again and repeat it.`,
  ),
  closed: error<{ peer: string }>(
    409,
    'The NBD connection was closed',
    (p) => `The connection to ${p.peer} was closed on this side. Connect again.`,
  ),
  'client-gone': error<{ path: string }>(
    499,
    'An NBD client went away',
    (p) => `A client of the NBD server at ${p.path} closed the connection.`,
  ),
  'client-broken': error<{ path: string; reason: string }>(
    400,
    'An NBD client breaks the protocol',
    (p) =>
      `A client of the NBD server at ${p.path} broke the NBD protocol: ${p.reason}. It was disconnected.`,
  ),
  'export-missing': error<{ peer: string; name: string; desc: string }>(
    404,
    'The NBD server has no such export',
    (p) => `The server of ${p.peer} has no export "${p.name}"${p.desc === '' ? '' : ` (${p.desc})`}.`,
  ),
  refused: error<{ peer: string; option: string; desc: string }>(
    502,
    'The NBD server refused a connection',
    (p) => `The server of ${p.peer} refused ${p.option}: ${p.desc}.`,
  ),
  'size-unusable': error<{ peer: string; size: string }>(
    502,
    'The NBD export is too large',
    (p) => `The server of ${p.peer} says that it has ${p.size} bytes, more than Corral can address (2^53).`,
  ),
  'context-missing': error<{ peer: string; context: string; available: readonly string[] }>(
    404,
    'The NBD export does not tell this',
    (p) =>
      `The server of ${p.peer} does not offer "${p.context}"; it was granted: ${p.available.join(', ') || 'nothing'}. Ask for it when connecting, and export the disk with it.`,
  ),
  unsupported: error<{ peer: string; command: string }>(
    501,
    'The NBD export does not offer this',
    (p) => `The server of ${p.peer} does not offer "${p.command}".`,
  ),
  'read-only': error<{ peer: string }>(
    403,
    'The NBD export is read-only',
    (p) => `The export of ${p.peer} is read-only. Export the disk writable to change it.`,
  ),
  'out-of-range': error<{ peer: string; offset: number; length: number; size: number }>(
    400,
    'Outside of the disk',
    (p) => `${p.length} bytes at ${p.offset} do not lie within ${p.peer}, which has ${p.size} bytes.`,
  ),
  unaligned: error<{ peer: string; offset: number; length: number; blockSize: number }>(
    400,
    'Not on a block of the disk',
    (p) =>
      `${p.length} bytes at ${p.offset} are not whole blocks of ${p.peer}, whose blocks have ${p.blockSize} bytes.`,
  ),
  'request-failed': error<{ peer: string; command: string; errno: string; desc: string }>(
    502,
    'The NBD server could not carry out a request',
    (p) =>
      `The server of ${p.peer} could not carry out "${p.command}": ${p.errno}${p.desc === '' ? '' : ` (${p.desc})`}. Its log says more.`,
  ),
  'export-broken': error<{ name: string; reason: string }>(
    500,
    'An export does not keep its promise',
    (p) => `The export "${p.name}" gave the NBD server what it cannot send: ${p.reason}.`,
  ),
  'socket-in-use': error<{ path: string }>(
    409,
    'The socket is in use',
    (p) =>
      `An NBD server cannot listen at ${p.path}, because that file exists. Remove it if no server uses it.`,
  ),
});
