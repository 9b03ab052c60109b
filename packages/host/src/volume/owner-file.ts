/**
 * `corral-volume.json`, at the root of each volume: whose it is (docs/formats/volume.md, "The owner file"). A file
 * system gives no compare-and-swap, so a change is written whole, and read again before it is believed.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Id, Timestamp } from '@corral/api/schemas/common';
import { VolumeOwner } from '@corral/api/schemas/volume';
import { syncFolder } from '@corral/disk/sync';
import { z } from 'zod';
import { writeNew, writeWhole } from '../storage/whole-files.ts';
import { volumeErrors } from './errors.ts';

export const ownerFileName = 'corral-volume.json';

export const OwnerFile = z.strictObject({
  format: z.literal('corral-volume/1'),
  id: Id,
  createdAt: Timestamp,
  /** Grows by one with each change of the owner. */
  generation: z.int().min(1),
  owner: VolumeOwner.nullable(),
});
export type OwnerFile = z.infer<typeof OwnerFile>;
export type Owner = NonNullable<OwnerFile['owner']>;

/** @returns null when there is none. @throws volume.owner-file */
export async function readOwnerFile(root: string): Promise<OwnerFile | null> {
  const path = join(root, ownerFileName);
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return null;
    throw volumeErrors['owner-file']({ path, reason: cause.message }, { cause });
  });
  if (text === null) return null;
  try {
    return OwnerFile.parse(JSON.parse(text));
  } catch (cause) {
    throw volumeErrors['owner-file']({ path, reason: (cause as Error).message }, { cause });
  }
}

/**
 * Durable when it returns. Repeatable: what is there already is not written again.
 *
 * @param expected what was read before; null for the first of a volume
 * @param writer id of this host: two hosts never write the same temporary file
 * @throws volume.changed when another host was faster
 */
export async function writeOwnerFile(
  root: string,
  next: OwnerFile,
  expected: OwnerFile | null,
  writer: string,
): Promise<void> {
  const path = join(root, ownerFileName);
  const present = await readOwnerFile(root);
  if (sameOwnership(present, next)) return;
  if (!sameOwnership(present, expected)) throw volumeErrors.changed({ path });
  const write = expected === null ? writeNew : writeWhole;
  await write(path, `${JSON.stringify(next, null, 2)}\n`, 0o644, nextOwnerFile(root, writer));
  // Of two hosts that add a new volume at once one was first; of two that change the owner one was last.
  if (!sameOwnership(await readOwnerFile(root), next)) throw volumeErrors.changed({ path });
}

export function nextOwnerFile(root: string, writer: string): string {
  return join(root, `${ownerFileName}.${writer}.next`);
}

export async function deleteOwnerFile(root: string): Promise<void> {
  await rm(join(root, ownerFileName), { force: true });
  await syncFolder(root);
}

function sameOwnership(a: OwnerFile | null, b: OwnerFile | null): boolean {
  if (a === null || b === null) return a === b;
  return a.id === b.id && a.generation === b.generation && a.owner?.id === b.owner?.id;
}
