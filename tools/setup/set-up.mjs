/**
 * The set-up, in parts that each do nothing when there is nothing to do: this machine, Debian packages, npm packages,
 * and Debian packages that are unpacked into the cache and not installed.
 */
import { projectNode, projectRoot } from '../node-path.mjs';
import { hostPackages, installDebianPackages, testPackages } from './debian-packages.mjs';
import { checkDistribution, thisDistribution } from './distribution.mjs';
import { withLock } from './lock.mjs';
import { installNpmPackages } from './npm-packages.mjs';
import { run, SetupError } from './process.mjs';
import { part } from './progress.mjs';

const lockPath = `${projectRoot}/.cache/set-up.lock`;

/** The npm packages alone: enough for types, lint and unit tests. */
export async function setUpNpm() {
  await part('npm packages', (say) => installNpmPackages(projectRoot, say));
}

/**
 * @param {readonly string[]} parts names of tools/setup/fill-cache.ts
 * @param {boolean} refresh
 */
async function fillCache(parts, refresh) {
  await withLock(lockPath, async () => {
    const args = [`${projectRoot}/tools/setup/fill-cache.ts`, ...(refresh ? ['--refresh'] : []), ...parts];
    const result = await run(projectNode(), args, { cwd: projectRoot, show: true });
    if (result.code !== 0) throw new SetupError('Corral’s cache is not complete.');
  });
}

/**
 * Everything that running VMs takes; with `tests`, everything that testing them takes.
 *
 * @param {{ tests?: boolean, refresh?: boolean }} [options] `refresh` looks for newer packages of the guest
 */
export async function setUpHost({ tests = false, refresh = false } = {}) {
  const distribution = thisDistribution();
  checkDistribution(distribution, process.arch);
  const wanted = tests ? [...hostPackages, ...testPackages] : hostPackages;
  await part(`Debian packages (${distribution.title})`, (say) =>
    installDebianPackages(wanted, lockPath, say),
  );
  await setUpNpm();
  await part('cache: packages of the guest, the micro image, the helper for single files', () =>
    fillCache(['guest', 'micro', 'file-helper', ...(tests ? ['etcd', 'boot-loaders'] : [])], refresh),
  );
}
