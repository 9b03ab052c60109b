/** The shared libraries of a program that lies in unpacked trees, found by their own loader. */
import { join } from 'node:path';
import { runCommand } from '../command.ts';
import { imageErrors } from '../errors.ts';

const folders = ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu'];

/** Where programs expect the loader (the psABI's name for it). */
export const loaderPath = 'lib64/ld-linux-x86-64.so.2';

/** Where the loader looks without a cache or a configuration. */
export const libraryFolder = 'lib/x86_64-linux-gnu';

/**
 * Lines of `ld.so --list`: `libc.so.6 => /path/libc.so.6 (0x...)`.
 *
 * @returns name → path; undefined for one that was not found
 */
export function parseLoaderList(output: string): ReadonlyMap<string, string | undefined> {
  const lines = [...output.matchAll(/^\s*(\S+) => (not found|\S+)/gm)];
  return new Map(lines.map(([, name, path]) => [name!, path === 'not found' ? undefined : path!]));
}

export interface ProgramLibraries {
  readonly loader: string;
  /** Name that the program asks for → file. */
  readonly libraries: ReadonlyMap<string, string>;
}

/**
 * @param roots of the unpacked packages; what several have is taken from the first
 * @param program its path
 * @param findFile the first of several paths below the roots that exists
 * @throws image.packages-incomplete
 */
export async function findLibraries(
  roots: readonly string[],
  program: string,
  findFile: (paths: readonly string[]) => Promise<string>,
  signal?: AbortSignal,
): Promise<ProgramLibraries> {
  const loader = await findFile(folders.map((folder) => `${folder}/ld-linux-x86-64.so.2`));
  const searched = roots.flatMap((root) => folders.map((folder) => join(root, folder))).join(':');
  const args = ['--inhibit-cache', '--library-path', searched, '--list', program];
  const list = parseLoaderList((await runCommand(loader, args, { signal })).toString());
  const libraries = new Map<string, string>();
  for (const [name, path] of list) {
    // One that the host's own folders had to lend is not in the trees either.
    if (path !== undefined && roots.some((root) => path.startsWith(`${root}/`))) libraries.set(name, path);
    else
      throw imageErrors['packages-incomplete']({ folder: roots.join(', '), missing: `The library ${name}` });
  }
  return { loader, libraries };
}
