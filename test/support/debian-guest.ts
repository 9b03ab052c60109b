/**
 * A whole Debian guest as a cloud's image is: one ext4 partition, GRUB for a BIOS, cloud-init and the guest agent. Made
 * by mmdebstrap on this host and kept in Corral's cache, since it takes a minute.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { defaultCacheDirectory } from '@corral/image/cache-directory';
import { MountedFileSystem } from './file-systems.ts';

const execute = promisify(execFile);

const MiB = 2 ** 20;
const diskMiB = 1024;
const firstSector = 2048;

const packages = [
  'cloud-init',
  'grub-common',
  'grub-pc-bin',
  'initramfs-tools',
  'iproute2',
  'linux-image-cloud-amd64',
  'netbase',
  'qemu-guest-agent',
  'systemd-resolved',
  'systemd-sysv',
  'udev',
];

/** What GRUB does, compiled into its core: no menu, no file to read but the kernel. */
const grubConfig = `set root=(hd0,msdos1)
linux /vmlinuz root=/dev/vda1 rw console=ttyS0 quiet
initrd /initrd.img
boot
`;

/** Those of cloud-init's modules that seeds of Corral are for: each takes seconds where nothing accelerates. */
const cloudConfig = `datasource_list: [NoCloud, None]
locale: false
ssh_genkeytypes: []
cloud_init_modules: [write-files, set_hostname, update_etc_hosts, users-groups, ssh]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user, final-message]
`;

/** Before the kernel is installed, whose initramfs then holds only what its disk needs. */
const beforePackages = [
  'mkdir -p "$1/etc/initramfs-tools/conf.d"',
  String.raw`printf 'MODULES=list\nCOMPRESS=gzip\n' >"$1/etc/initramfs-tools/conf.d/corral"`,
  String.raw`printf 'virtio_pci\nvirtio_blk\next4\n' >"$1/etc/initramfs-tools/modules"`,
].join(' && ');

const afterPackages = [
  'chroot "$1" systemctl -q enable systemd-networkd',
  'chroot "$1" systemctl -q mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer',
  'chroot "$1" grub-mkimage -O i386-pc -p /boot/grub -c /boot/grub.cfg -o /boot/core.img' +
    ' biosdisk part_msdos ext2 linux boot',
  'rm -rf "$1"/var/cache/apt/* "$1"/usr/lib/grub/i386-pc/*.mod',
].join(' && ');

/** Path of a raw disk file, whole; made when the cache does not have it. @param progress is told before it takes long */
export async function debianGuest(progress: (text: string) => void): Promise<string> {
  const folder = join(defaultCacheDirectory(), 'debian-guest');
  const recipe = createHash('sha256').update(await readFile(import.meta.filename));
  const path = join(folder, `${recipe.digest('hex').slice(0, 16)}.raw`);
  if (await isThere(path)) return path;
  progress('making a Debian guest with mmdebstrap');
  await mkdir(folder, { recursive: true });
  for (const old of await readdir(folder)) await rm(join(folder, old), { force: true });
  // dpkg syncs every file that it unpacks: in memory that costs nothing, and more than half of the time is saved.
  await using scratch = await MountedFileSystem.mount('tmpfs', 2 * diskMiB * MiB);
  try {
    const root = join(scratch.path, 'root');
    await install(root, scratch.path);
    await writeDisk(root, `${path}.part`);
    await rename(`${path}.part`, path);
    return path;
  } finally {
    await rm(`${path}.part`, { force: true });
  }
}

/** From the archive that this host's own packages come from, by its own keys. */
async function install(root: string, scratch: string): Promise<void> {
  const osRelease = await readFile('/etc/os-release', 'utf8');
  const suite = /^VERSION_CODENAME=(\S+)/m.exec(osRelease)![1]!;
  const { stdout } = await execute('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI)',
    'Created-By: Packages',
  ]);
  const archive =
    stdout.split('\n').find((line) => /\/debian\/?$/.test(line)) ?? 'http://deb.debian.org/debian';
  const uploads = { '/boot/grub.cfg': grubConfig, '/etc/cloud/cloud.cfg.d/90-corral.cfg': cloudConfig };
  for (const [target, text] of Object.entries(uploads))
    await writeFile(join(scratch, basename(target)), text);
  const unneeded = ['doc', 'man', 'locale', 'info', 'bash-completion'];
  await execute(
    'mmdebstrap',
    [
      '--quiet',
      '--mode=root',
      '--variant=minbase',
      `--include=${packages.join(',')}`,
      ...unneeded.map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
      `--essential-hook=${beforePackages}`,
      ...Object.keys(uploads).map(
        (target) => `--customize-hook=upload ${join(scratch, basename(target))} ${target}`,
      ),
      `--customize-hook=${afterPackages}`,
      suite,
      root,
      archive,
    ],
    { maxBuffer: 64 * MiB },
  );
}

async function writeDisk(root: string, path: string): Promise<void> {
  await execute('truncate', ['-s', `${diskMiB}M`, path]);
  const offset = firstSector * 512;
  const options = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-d', root, '-E', `offset=${offset}`];
  await execute('mke2fs', [...options, path, `${diskMiB - 2}M`]);
  const sfdisk = execute('sfdisk', ['--quiet', path]);
  sfdisk.child.stdin!.end(`label: dos\nstart=${firstSector}, type=83, bootable\n`);
  await sfdisk;
  // The boot sector looks for the core in the sector behind it; the table of partitions stays.
  await using disk = await open(path, 'r+');
  const bootSector = await readFile(join(root, 'usr/lib/grub/i386-pc/boot.img'));
  await disk.write(bootSector.subarray(0, 440), 0, 440, 0);
  const core = await readFile(join(root, 'boot/core.img'));
  await disk.write(core, 0, core.length, 512);
  await disk.sync();
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(ifMissing)) !== null;
}

function ifMissing(cause: NodeJS.ErrnoException): null {
  if (cause.code === 'ENOENT') return null;
  throw cause;
}
