/** Debian packages that are installed on the host: only what is missing, nothing removed, no service started by us. */
import { withLock } from './lock.mjs';
import { lastWords, run, SetupError } from './process.mjs';

/**
 * @typedef {object} NeededPackage
 * @property {string} name
 * @property {string} why
 */

/**
 * What running VMs takes.
 *
 * @type {readonly NeededPackage[]}
 */
export const hostPackages = [
  { name: 'qemu-system-x86', why: 'runs the virtual machines' },
  { name: 'qemu-utils', why: 'qemu-img, makes and converts disks' },
  { name: 'ovmf', why: 'UEFI firmware for guests' },
  { name: 'swtpm', why: 'a TPM for guests that ask for one' },
  { name: 'e2fsprogs', why: 'mke2fs, formats disks for guests without mounting them' },
  { name: 'iproute2', why: 'ip, connects guests to bridges' },
  { name: 'xorriso', why: 'writes the cloud-init seed' },
  { name: 'cpio', why: 'packs the initramfs of the micro image' },
  { name: 'xz-utils', why: "unpacks the kernel's modules (Debian 13 compresses them)" },
];

/**
 * What only the tests take, beside that.
 *
 * @type {readonly NeededPackage[]}
 */
export const testPackages = [
  { name: 'libnbd-bin', why: 'nbdinfo and nbdcopy, a client of NBD that is not ours' },
  { name: 'zsh', why: 'one of the shells that completion is for' },
  { name: 'python3', why: 'ends the first of its threads before the others, which no program of ours can' },
  { name: 'mmdebstrap', why: 'makes a whole Debian guest' },
  { name: 'fdisk', why: 'sfdisk, makes partition tables in disk files' },
  { name: 'mtools', why: 'fills the EFI system partition of a disk file' },
  { name: 'isolinux', why: 'the boot loader of a bootable ISO' },
  { name: 'syslinux-common', why: 'the modules of that boot loader' },
  { name: 'xfsprogs', why: 'makes XFS, to try what volumes do with reflinks' },
  { name: 'btrfs-progs', why: 'the same with btrfs' },
  { name: 'bzip2', why: 'unpacks disks that others wrote' },
  { name: 'openssl', why: 'makes certificates for etcd over TLS' },
];

/**
 * Names of those that dpkg does not have installed.
 *
 * @param {string} output of `dpkg-query -W -f '${Package} ${db:Status-Status}\n'`
 * @param {readonly NeededPackage[]} wanted
 * @returns {readonly NeededPackage[]}
 */
export function notInstalled(output, wanted) {
  const installed = new Set(
    output.split('\n').flatMap((line) => {
      const [name, status] = line.split(' ');
      return name && status === 'installed' ? [name] : [];
    }),
  );
  return wanted.filter(({ name }) => !installed.has(name));
}

/**
 * @param {readonly NeededPackage[]} wanted
 * @returns {Promise<readonly NeededPackage[]>}
 */
async function missing(wanted) {
  // An unknown name makes dpkg-query exit with 1 and still list the others.
  const names = wanted.map(({ name }) => name);
  const { stdout, code, stderr } = await run('dpkg-query', [
    '-W',
    '-f',
    `\${Package} \${db:Status-Status}\\n`,
    ...names,
  ]);
  if (code > 1) throw new SetupError(`dpkg-query failed: ${stderr}`);
  return notInstalled(stdout, wanted);
}

/** Quiet and without side effects on what runs: no questions, no restart of services whose libraries changed. */
const aptEnvironment = {
  DEBIAN_FRONTEND: 'noninteractive',
  NEEDRESTART_SUSPEND: '1',
  APT_LISTCHANGES_FRONTEND: 'none',
  LC_ALL: 'C.UTF-8',
};

/**
 * @param {readonly string[]} args
 * @returns {Promise<import('./process.mjs').RunResult>}
 */
function aptGet(args) {
  return run('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], { env: aptEnvironment });
}

/**
 * @param {readonly string[]} names
 * @param {(text: string) => void} say
 */
async function install(names, say) {
  const args = ['install', '-y', '--no-install-recommends', '--no-remove', ...names];
  const first = await aptGet(args);
  if (first.code === 0) return;
  // The lists of apt may be missing or name versions that the archive has no more.
  say('refreshing apt’s lists and trying again');
  const update = await aptGet(['update']);
  const second = update.code === 0 ? await aptGet(args) : update;
  if (second.code === 0) return;
  throw new SetupError(
    `apt-get could not install ${names.join(' ')}:\n${lastWords(second)}\n` +
      'Check the network and the sources in /etc/apt, then run this again.',
  );
}

/**
 * @param {readonly NeededPackage[]} wanted
 * @param {string} lockPath
 * @param {(text: string) => void} say
 */
export async function installDebianPackages(wanted, lockPath, say) {
  if ((await missing(wanted)).length === 0) return;
  await withLock(lockPath, async () => {
    const absent = await missing(wanted);
    if (absent.length === 0) return;
    const names = absent.map(({ name }) => name);
    if (process.getuid?.() !== 0) {
      throw new SetupError(
        `These Debian packages are missing, and only root can install them:\n${describe(absent)}\n` +
          `Run this again as root, or:\n  sudo apt-get install --no-install-recommends ${names.join(' ')}`,
      );
    }
    say(`to be installed with what they depend on:\n${describe(absent)}`);
    await install(names, say);
  });
}

/**
 * @param {readonly NeededPackage[]} packages
 * @returns {string}
 */
function describe(packages) {
  return packages.map(({ name, why }) => `      ${name.padEnd(16)} ${why}`).join('\n');
}
