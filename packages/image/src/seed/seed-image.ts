/** Writes the files of a cloud-init seed into an ISO 9660 image whose label cloud-init looks for, and reads them again. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../command.ts';
import { imageErrors } from '../errors.ts';
import { renewedMetaData, type SeedInput, type SeedRenewal, seedFiles } from './seed-files.ts';

/** By which cloud-init finds the NoCloud data source. */
const volumeId = 'cidata';
const limitMs = 60_000;

/**
 * @returns the ISO image, a few hundred KiB
 * @throws image.bad-seed; image.command-missing without xorriso
 */
export function makeSeedImage(input: SeedInput, signal?: AbortSignal): Promise<Buffer> {
  const files = seedFiles(input);
  return inScratch((scratch) => pack(files, scratch, signal));
}

/**
 * The same seed for a clone, which has to take itself for a new machine.
 *
 * @param path of the seed of the original
 * @throws image.bad-seed when it is no seed
 */
export function renewSeedImage(path: string, renewal: SeedRenewal, signal?: AbortSignal): Promise<Buffer> {
  return inScratch(async (scratch) => {
    const found = join(scratch, 'found');
    // Files of an ISO image are read-only, and so would be what is taken out of it.
    const options = ['-osirrox', 'on:auto_chmod_on', '-indev', path, '-extract', '/', found];
    await runCommand('xorriso', options, { signal, limitMs });
    const files = new Map<string, string>();
    for (const name of await readdir(found)) files.set(name, await readFile(join(found, name), 'utf8'));
    const metaData = files.get('meta-data');
    // xorriso takes what is no ISO image for an empty one.
    if (metaData === undefined)
      throw imageErrors['bad-seed']({ what: path, reason: 'it holds no meta-data' });
    files.set('meta-data', renewedMetaData(metaData, renewal));
    return pack(files, scratch, signal);
  });
}

async function pack(
  files: ReadonlyMap<string, string>,
  scratch: string,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const content = join(scratch, 'content');
  await mkdir(content);
  for (const [name, text] of files) await writeFile(join(content, name), text);
  const image = join(scratch, 'seed.iso');
  // Rock Ridge and Joliet keep the names as they are; -r leaves owner and modes of this host out.
  const options = ['-as', 'mkisofs', '-quiet', '-V', volumeId, '-J', '-r', '-o', image];
  await runCommand('xorriso', [...options, content], { signal, limitMs });
  return readFile(image);
}

async function inScratch<T>(work: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(tmpdir(), 'corral-seed-'));
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
