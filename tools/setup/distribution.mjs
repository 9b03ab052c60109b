/** Which system this is, and what it means for the set-up. */
import { readFileSync } from 'node:fs';
import { SetupError } from './process.mjs';

/**
 * @typedef {object} Distribution
 * @property {string} id `ID` of os-release(5)
 * @property {string} version `VERSION_ID`, empty if there is none
 * @property {string} title for people
 * @property {readonly string[]} like `ID` and `ID_LIKE`
 */

/**
 * @param {string} text of /etc/os-release
 * @returns {Distribution}
 */
export function parseOsRelease(text) {
  /** @param {string} key */
  const value = (key) => {
    const raw = text.match(new RegExp(`^${key}=(.*)$`, 'm'))?.[1] ?? '';
    return raw.replace(/^(["'])(.*)\1$/, '$2');
  };
  const id = value('ID');
  return {
    id,
    version: value('VERSION_ID'),
    title: value('PRETTY_NAME') || id || 'another system',
    like: [id, ...value('ID_LIKE').split(' ')].filter(Boolean),
  };
}

/** How other families of distributions install the same programs. The first that fits is taken. */
const otherFamilies = [
  {
    id: 'ubuntu',
    install: 'apt-get install qemu-system-x86 qemu-utils ovmf swtpm e2fsprogs iproute2 xorriso',
  },
  {
    id: 'fedora',
    install: 'dnf install qemu-system-x86-core qemu-img edk2-ovmf swtpm e2fsprogs iproute xorriso',
  },
  { id: 'arch', install: 'pacman -S qemu-base edk2-ovmf swtpm e2fsprogs iproute2 libisoburn' },
  {
    id: 'suse',
    install: 'zypper install qemu-x86 qemu-tools qemu-ovmf-x86_64 swtpm e2fsprogs iproute2 xorriso',
  },
];

/**
 * @param {Distribution} distribution
 * @returns {string}
 */
function elsewhere({ like, title }) {
  const family = otherFamilies.find(({ id }) => like.includes(id));
  return [
    `The set-up knows Debian 12 and 13; this is ${title}.`,
    'Corral needs QEMU 7.2 or newer, UEFI firmware, swtpm, mke2fs, ip and xorriso.',
    family ? `  ${family.install}` : '  Install them with the package manager of this system.',
    '  npm ci',
    'Then "bin/corrald --data DIR" runs the daemon, and "bin/corral image import" takes a cloud image;',
    'the micro image is made from Debian packages and cannot be built here.',
  ].join('\n');
}

/**
 * Refuses a system that the set-up does not know, with what to do there instead.
 *
 * @param {Distribution} distribution
 * @param {string} arch as in `process.arch`
 */
export function checkDistribution(distribution, arch) {
  const { id, version, title } = distribution;
  if (arch !== 'x64') {
    throw new SetupError(
      `The set-up knows x86-64 processors; this one is ${arch}. Unit tests run: npm run check.`,
    );
  }
  if (id !== 'debian') throw new SetupError(elsewhere(distribution));
  if (version !== '' && Number(version) < 12) {
    throw new SetupError(`${title} has a QEMU that is too old (7.2 is needed). Upgrade to Debian 12 or 13.`);
  }
}

/** @returns {Distribution} */
export function thisDistribution() {
  try {
    return parseOsRelease(readFileSync('/etc/os-release', 'utf8'));
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT') throw error;
    return parseOsRelease('');
  }
}
