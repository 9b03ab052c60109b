/** Debian packages by apt-get download: nothing is installed, so the host's boot loader and services stay as they are. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isCorralError } from '@corral/core/errors';
import { runCommand } from '../command.ts';
import { imageErrors } from '../errors.ts';
import type { LongWork } from '../progress.ts';
import { packageClosure } from './package-closure.ts';

/** apt would drop to its own user, who may not enter the folder. */
const downloadAsCaller = ['-o', 'APT::Sandbox::User=root'];

/** What apt-get and apt-cache say when their lists are missing or older than the archive. */
const staleLists =
  /Unable to locate|No packages found|Can't find a source|Unable to fetch|Failed to fetch|404/;

async function downloadOnce(
  roots: readonly string[],
  follow: RegExp,
  folder: string,
  { signal, progress }: LongWork,
): Promise<void> {
  const depends = await runCommand('apt-cache', ['depends', '--recurse', '--important', ...roots], {
    signal,
  });
  const packages = packageClosure(depends.toString(), roots, follow);
  progress?.({ step: `downloading ${packages.join(' ')}` });
  await runCommand('apt-get', ['download', '-q', ...downloadAsCaller, ...packages], { signal, cwd: folder });
}

/**
 * Downloads the packages and, of what they depend on, those whose names fit `follow`, into an empty folder.
 * Refreshes apt's lists (as root) if they turn out to be missing or outdated.
 *
 * @returns paths of the .deb files
 * @throws image.packages-unavailable
 */
export async function downloadPackages(
  roots: readonly string[],
  follow: RegExp,
  folder: string,
  work: LongWork,
): Promise<readonly string[]> {
  try {
    try {
      await downloadOnce(roots, follow, folder, work);
    } catch (cause) {
      if (!isCorralError(cause, imageErrors['command-failed'].code) || !staleLists.test(cause.message))
        throw cause;
      work.progress?.({ step: "refreshing apt's lists" });
      await runCommand('apt-get', ['update', '-q'], { signal: work.signal });
      await downloadOnce(roots, follow, folder, work);
    }
  } catch (cause) {
    if (!isCorralError(cause, imageErrors['command-failed'].code)) throw cause;
    const output = String(cause.params['output']);
    throw imageErrors['packages-unavailable']({ packages: roots, output }, { cause });
  }
  const names = (await readdir(folder)).filter((name) => name.endsWith('.deb'));
  return names.toSorted().map((name) => join(folder, name));
}

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
}

export async function unpackPackage(deb: string, root: string, signal?: AbortSignal): Promise<DebianPackage> {
  const fields = await runCommand('dpkg-deb', ['-f', deb, 'Package', 'Version'], { signal });
  const name = /^Package: (.+)$/m.exec(fields.toString())![1]!;
  const version = /^Version: (.+)$/m.exec(fields.toString())![1]!;
  await runCommand('dpkg-deb', ['-x', deb, root], { signal });
  return { name, version };
}
