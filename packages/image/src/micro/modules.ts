/** Takes the kernel modules that the micro guest needs out of an unpacked kernel package. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { runCommand } from '../command.ts';
import { imageErrors } from '../errors.ts';
import { aliasIndex, dependencyIndex, type ModuleFile } from './module-index.ts';
import { moduleName, parseModuleInfo } from './module-info.ts';

/** Without these the guest sees neither disks nor network nor agent; each is a module or built in. */
const required = [
  'virtio_pci',
  'virtio_blk',
  'virtio_scsi',
  'virtio_net',
  'virtio_console',
  'virtio_balloon',
  'virtio_rng',
  'sd_mod',
  'sr_mod',
  'isofs',
  'vfat',
  'ext4',
  'button',
  'evdev',
];

/** Taken if the kernel has them. Debian's cloud kernel lacks some: its guests see no AHCI disk and no e1000 port. */
const optional = [
  'ahci',
  'ata_piix',
  'ata_generic',
  'e1000',
  'e1000e',
  'efivarfs',
  'i6300esb',
  'qemu_fw_cfg',
  'crc32c_intel',
  'crc32_pclmul',
  'nls_ascii',
  'nls_cp437',
  'nls_iso8859_1',
  'nls_utf8',
  'pvpanic_pci',
  'virtio_input',
];

/** Loaded first: the others are asked for by the devices that these make visible. */
const loadedAtBoot = ['virtio_pci', 'button', 'evdev'];

export interface GuestModule extends ModuleFile {
  readonly content: Buffer;
}

export interface GuestModules {
  readonly modules: ReadonlyMap<string, GuestModule>;
  /** Name of a file in the folder of the kernel's modules → its text. */
  readonly indexes: ReadonlyMap<string, string>;
}

async function readModule(path: string, signal: AbortSignal | undefined): Promise<Buffer> {
  // The initramfs is compressed as a whole, and busybox's modprobe reads plain modules fastest.
  if (path.endsWith('.ko.xz')) return runCommand('xz', ['-dc', path], { signal });
  if (path.endsWith('.ko.zst')) return runCommand('zstd', ['-dc', path], { signal });
  return readFile(path);
}

/** Name of a module → its file, relative to `folder`. */
async function listModules(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = await readdir(folder, { recursive: true });
  return new Map(
    files.filter((path) => /\.ko(\.\w+)?$/.test(path)).map((path) => [moduleName(basename(path)), path]),
  );
}

/**
 * @param folder of the kernel's modules: `lib/modules/VERSION`
 * @param extra names of more modules that must be there
 * @throws image.packages-incomplete
 */
export async function collectModules(
  folder: string,
  extra: readonly string[],
  signal?: AbortSignal,
): Promise<GuestModules> {
  const files = await listModules(folder);
  const builtinText = await readFile(join(folder, 'modules.builtin'), 'utf8');
  const builtin = new Set(builtinText.split('\n').map((path) => moduleName(basename(path))));
  const missing = [...required, ...extra].find((name) => !files.has(name) && !builtin.has(name));
  if (missing !== undefined) {
    throw imageErrors['packages-incomplete']({ folder, missing: `The kernel module ${missing}` });
  }
  const wanted = new Set([...required, ...extra, ...optional].filter((name) => files.has(name)));
  const modules = new Map<string, GuestModule>();
  // A set that grows while it is walked: dependencies join it.
  for (const name of wanted) {
    const path = files.get(name);
    if (path === undefined) continue;
    const content = await readModule(join(folder, path), signal);
    const info = parseModuleInfo(content);
    for (const dependency of info.depends) wanted.add(dependency);
    modules.set(name, { name, path: path.replace(/\.ko\.\w+$/, '.ko'), content, ...info });
  }
  const atBoot = loadedAtBoot.filter((name) => modules.has(name)).join('\n');
  const indexes = new Map([
    ['modules.dep', dependencyIndex(modules)],
    ['modules.alias', aliasIndex(modules)],
    ['modules.builtin', builtinText],
    ['corral.load', `${atBoot}\n`],
  ]);
  return { modules, indexes };
}
