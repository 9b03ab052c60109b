/** What a Linux kernel module says about itself: the strings of its `.modinfo` section, as modinfo(8) shows them. */

export interface ModuleInfo {
  /** Names of the modules that have to be loaded before. */
  readonly depends: readonly string[];
  /** Patterns of the devices that it drives. */
  readonly aliases: readonly string[];
}

/** Module names are compared with "_", while file names may have "-". */
export function moduleName(fileName: string): string {
  return fileName.replace(/\.ko(\.\w+)?$/, '').replaceAll('-', '_');
}

/** @param module the uncompressed file */
export function parseModuleInfo(module: Uint8Array): ModuleInfo {
  const text = Buffer.from(module.buffer, module.byteOffset, module.length).toString('latin1');
  const depends: string[] = [];
  const aliases: string[] = [];
  // The strings end with zero bytes; the first may follow whatever the section before it ends with.
  for (const [, key, value] of text.matchAll(/\b(depends|alias)=([^\0]*)\0/g)) {
    if (key === 'alias') aliases.push(value!);
    else depends.push(...value!.split(',').filter(Boolean).map(moduleName));
  }
  return { depends, aliases };
}
