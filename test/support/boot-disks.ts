/** Disks and ISO images from which a firmware boots, made from files without mounting anything. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { defaultCacheDirectory } from '@corral/image/cache-directory';
import { bootLoaderPackages } from '@corral/image/debian/package-sets';
import { cachedMicroImage } from '@corral/image/micro/cached-micro-image';

const execute = promisify(execFile);

const MiB = 2 ** 20;

/** Path on the disk → a file of the host, or the text itself. */
export type DiskFiles = Readonly<Record<string, { readonly file: string } | { readonly text: string }>>;

/** A GPT disk with an EFI system partition, its first and only. */
export interface EfiDisk {
  readonly path: string;
  readonly partition: { readonly id: string; readonly firstSector: number; readonly sectors: number };
}

const firstSector = 2048;

/** @param path of the raw disk file to make */
export async function makeEfiDisk(path: string, sizeMiB: number, files: DiskFiles): Promise<EfiDisk> {
  const partition = {
    id: crypto.randomUUID(),
    firstSector,
    sectors: sizeMiB * 2048 - 2 * firstSector,
  };
  await writeFile(path, '');
  await truncate(path, sizeMiB * MiB);
  const table = `label: gpt\nstart=${firstSector}, size=${partition.sectors}, type=uefi, uuid=${partition.id}\n`;
  const sfdisk = execute('sfdisk', ['--quiet', path]);
  sfdisk.child.stdin!.end(table);
  await sfdisk;
  const place = `${path}@@${firstSector * 512}`;
  await execute('mformat', ['-i', place, '-T', String(partition.sectors), '-h', '64', '-s', '32', '::']);
  const made = new Set<string>();
  for (const [target, source] of Object.entries(files)) {
    await makeFolders(place, target, made);
    const copy = execute('mcopy', ['-i', place, 'file' in source ? source.file : '-', `::${target}`]);
    if ('text' in source) copy.child.stdin!.end(source.text);
    await copy;
  }
  return { path, partition };
}

async function makeFolders(place: string, target: string, made: Set<string>): Promise<void> {
  const parts = target.split('/').slice(1, -1);
  for (const index of parts.keys()) {
    const folder = `/${parts.slice(0, index + 1).join('/')}`;
    if (made.has(folder)) continue;
    await execute('mmd', ['-i', place, `::${folder}`]);
    made.add(folder);
  }
}

/** Debian's signed loaders, as every firmware with Microsoft's keys starts them, and the micro guest. */
export async function signedMicroGuest(commandLine: string): Promise<DiskFiles> {
  const { folder: loaders } = bootLoaderPackages(defaultCacheDirectory());
  const { folder: micro } = await cachedMicroImage(defaultCacheDirectory());
  return {
    '/EFI/BOOT/BOOTX64.EFI': { file: join(loaders, 'usr/lib/shim/shimx64.efi.signed') },
    '/EFI/BOOT/grubx64.efi': { file: join(loaders, 'usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed') },
    '/EFI/debian/grub.cfg': { text: `linux /vmlinuz ${commandLine}\ninitrd /initrd\nboot\n` },
    '/vmlinuz': { file: join(micro, 'vmlinuz') },
    '/initrd': { file: join(micro, 'initrd') },
  };
}

/** An ISO that a BIOS boots into the micro guest. @param folder an empty folder, which holds it and what it is made of */
export async function makeBootableIso(folder: string, commandLine: string): Promise<string> {
  const { folder: micro } = await cachedMicroImage(defaultCacheDirectory());
  const content = join(folder, 'content');
  const copies = {
    'isolinux/isolinux.bin': '/usr/lib/ISOLINUX/isolinux.bin',
    'isolinux/ldlinux.c32': '/usr/lib/syslinux/modules/bios/ldlinux.c32',
    vmlinuz: join(micro, 'vmlinuz'),
    initrd: join(micro, 'initrd'),
  };
  for (const [target, source] of Object.entries(copies)) {
    await mkdir(dirname(join(content, target)), { recursive: true });
    await copyFile(source, join(content, target));
  }
  const config = `SERIAL 0\nDEFAULT micro\nLABEL micro\n  KERNEL /vmlinuz\n  INITRD /initrd\n  APPEND ${commandLine}\n`;
  await writeFile(join(content, 'isolinux/isolinux.cfg'), config);
  const iso = join(folder, 'boot.iso');
  // El Torito without emulation, as isolinux wants it (syslinux' doc/isolinux.txt).
  const boot = ['-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat', '-no-emul-boot'];
  const table = ['-boot-load-size', '4', '-boot-info-table'];
  await execute('xorriso', ['-as', 'mkisofs', '-quiet', '-J', '-r', '-o', iso, ...boot, ...table, content]);
  await rm(content, { recursive: true });
  return iso;
}
