/**
 * The npm packages of the lock file. npm writes `node_modules/.package-lock.json` when an installation has ended, so
 * that file serves as the stamp: it says what is there, and an interrupted installation has none.
 */
import { existsSync, readFileSync } from 'node:fs';
import { withLock } from './lock.mjs';
import { lastWords, run, SetupError } from './process.mjs';

/**
 * @typedef {object} LockEntry
 * @property {string} [version]
 * @property {string} [integrity]
 * @property {boolean} [link]
 * @property {string[]} [os]
 * @property {string[]} [cpu]
 * @property {string[]} [libc]
 */

/**
 * @param {string} path
 * @returns {Record<string, LockEntry>}
 */
function readLock(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}

/**
 * Whether npm installs this entry here; it leaves out optional packages of other platforms.
 *
 * @param {LockEntry} entry
 * @param {{ platform: string, arch: string, libc: string }} host
 * @returns {boolean}
 */
function fits(entry, host) {
  return (
    (entry.os?.includes(host.platform) ?? true) &&
    (entry.cpu?.includes(host.arch) ?? true) &&
    (entry.libc?.includes(host.libc) ?? true)
  );
}

/**
 * The places of the lock that `installed` lacks or has in another version.
 *
 * @param {Record<string, LockEntry>} wanted
 * @param {Record<string, LockEntry>} installed
 * @param {{ platform: string, arch: string, libc: string }} host
 * @returns {string[]}
 */
export function missingPackages(wanted, installed, host) {
  return Object.entries(wanted)
    .filter(([place, entry]) => place.includes('node_modules/') && !entry.link && fits(entry, host))
    .filter(([place, entry]) => {
      const there = installed[place];
      return there?.version !== entry.version || there?.integrity !== entry.integrity;
    })
    .map(([place]) => place);
}

/**
 * @param {string} root the project
 * @returns {boolean} whether `npm ci` has to run
 */
export function npmPackagesNeeded(root) {
  const stamp = `${root}/node_modules/.package-lock.json`;
  if (!existsSync(stamp)) return true;
  const wanted = readLock(`${root}/package-lock.json`);
  const links = Object.entries(wanted).filter(([, entry]) => entry.link);
  if (links.some(([place]) => !existsSync(`${root}/${place}`))) return true;
  const host = { platform: process.platform, arch: process.arch, libc: 'glibc' };
  return missingPackages(wanted, readLock(stamp), host).length > 0;
}

/**
 * @param {string} root the project
 * @param {(text: string) => void} say
 * @returns {Promise<void>}
 */
export async function installNpmPackages(root, say) {
  if (!npmPackagesNeeded(root)) return;
  await withLock(`${root}/.cache/npm.lock`, async () => {
    if (!npmPackagesNeeded(root)) return;
    say('npm ci: the packages of package-lock.json, the project’s own Node among them');
    const result = await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root });
    if (result.code === 127) throw new SetupError('npm is missing. Install it beside Node 20 or newer.');
    if (result.stderr.includes('EUSAGE')) {
      throw new SetupError('package-lock.json does not fit the package.json files. Run "npm install".');
    }
    if (result.code !== 0) {
      throw new SetupError(
        `npm ci failed:\n${lastWords(result)}\nCheck that this machine reaches the npm registry, then run it again.`,
      );
    }
  });
}
