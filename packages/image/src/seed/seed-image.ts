/** Writes the files of a cloud-init seed into an ISO 9660 image whose label cloud-init looks for. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../command.ts';
import { type SeedInput, seedFiles } from './seed-files.ts';

/** By which cloud-init finds the NoCloud data source. */
const volumeId = 'cidata';

/**
 * @returns the ISO image, a few hundred KiB
 * @throws image.bad-seed; image.command-missing without xorriso
 */
export async function makeSeedImage(input: SeedInput, signal?: AbortSignal): Promise<Buffer> {
  const files = seedFiles(input);
  const folder = await mkdtemp(join(tmpdir(), 'corral-seed-'));
  try {
    const content = join(folder, 'content');
    await mkdir(content);
    for (const [name, text] of files) await writeFile(join(content, name), text);
    const image = join(folder, 'seed.iso');
    // Rock Ridge and Joliet keep the names as they are; -r leaves owner and modes of this host out.
    const options = ['-as', 'mkisofs', '-quiet', '-V', volumeId, '-J', '-r', '-o', image];
    await runCommand('xorriso', [...options, content], { signal, limitMs: 60_000 });
    return await readFile(image);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
