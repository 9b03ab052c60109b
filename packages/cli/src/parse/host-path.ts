/**
 * Files that the daemon opens, not we: it needs an absolute path. Beside the daemon's own socket we share a file
 * system with it, so a relative path means what it means in the shell; over TLS it would mean nothing.
 */
import { resolve } from 'node:path';
import { cliErrors } from '../errors.ts';

/** @throws cli.value for a relative path to a daemon elsewhere */
export function hostPath(path: string, daemonIsLocal: boolean, currentDirectory: string): string {
  if (daemonIsLocal) return resolve(currentDirectory, path);
  if (path.startsWith('/')) return path;
  throw cliErrors.value({
    what: 'a path on the host',
    text: path,
    expected: 'The daemon is on another machine: write the absolute path that the file has there.',
  });
}
