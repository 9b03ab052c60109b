/** The index files by which modprobe(8) finds modules: depmod's, for the few modules that the image holds. */
import type { ModuleInfo } from './module-info.ts';

export interface ModuleFile extends ModuleInfo {
  readonly name: string;
  /** Relative to the folder of the kernel's modules. */
  readonly path: string;
}

/** All that a module needs, the nearest first: modprobe loads the list from its end. */
function allDependencies(
  module: ModuleFile,
  modules: ReadonlyMap<string, ModuleFile>,
): readonly ModuleFile[] {
  const found = new Set<ModuleFile>();
  const visit = (each: ModuleFile): void => {
    for (const name of each.depends) {
      const dependency = modules.get(name);
      if (dependency === undefined) continue;
      // One that is needed further down moves to the end, so that it is loaded earlier.
      found.delete(dependency);
      found.add(dependency);
      visit(dependency);
    }
  };
  visit(module);
  return [...found];
}

/** modules.dep(5) */
export function dependencyIndex(modules: ReadonlyMap<string, ModuleFile>): string {
  const lines = [...modules.values()].map((module) => {
    const paths = allDependencies(module, modules).map(({ path }) => path);
    return `${[`${module.path}:`, ...paths].join(' ')}\n`;
  });
  return lines.toSorted().join('');
}

/** modules.alias: pattern of a device → module. */
export function aliasIndex(modules: ReadonlyMap<string, ModuleFile>): string {
  const lines = [...modules.values()].flatMap(({ name, aliases }) =>
    aliases.map((alias) => `alias ${alias} ${name}\n`),
  );
  return lines.toSorted().join('');
}
