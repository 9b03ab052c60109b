/** The tree of a VM's checkpoints, by their `parentId`. Pure. */
import { checkpointErrors } from '../errors.ts';
import type { CheckpointRecord } from './checkpoint-record.ts';

type Node = Pick<CheckpointRecord, 'id' | 'name' | 'parentId'>;

/** @throws checkpoint.not-found */
export function findCheckpoint<T extends Node>(checkpoints: readonly T[], vm: string, nameOrId: string): T {
  const found =
    checkpoints.find(({ name }) => name === nameOrId) ??
    checkpoints.find(({ id }) => id === nameOrId.toLowerCase());
  if (!found) throw checkpointErrors['not-found']({ vm, checkpoint: nameOrId });
  return found;
}

/** @throws checkpoint.name-taken by another than `exceptId` */
export function requireFreeName(
  checkpoints: readonly Node[],
  vm: string,
  name: string,
  exceptId: string | null = null,
): void {
  const taken = checkpoints.some((each) => each.name === name && each.id !== exceptId);
  if (taken) throw checkpointErrors['name-taken']({ vm, checkpoint: name });
}

/** The checkpoint and all above it, itself first. */
export function subtreeOf<T extends Node>(checkpoints: readonly T[], id: string): T[] {
  const found = checkpoints.filter((each) => each.id === id);
  const children = checkpoints.filter(({ parentId }) => parentId === id);
  return [...found, ...children.flatMap((child) => subtreeOf(checkpoints, child.id))];
}

/** Without those that go: whoever stood on one of them stands on what that one stood on. */
export function withoutCheckpoints<T extends Node>(
  checkpoints: readonly T[],
  gone: ReadonlySet<string>,
): T[] {
  return checkpoints
    .filter(({ id }) => !gone.has(id))
    .map((each) => {
      const parentId = standsOn(checkpoints, each.parentId, gone);
      return parentId === each.parentId ? each : { ...each, parentId };
    });
}

/** The nearest of `id` and what lies below it that does not go. */
export function standsOn(
  checkpoints: readonly Node[],
  id: string | null,
  gone: ReadonlySet<string>,
): string | null {
  let at = id;
  while (at !== null && gone.has(at)) at = checkpoints.find((each) => each.id === at)?.parentId ?? null;
  return at;
}

/** A name for one that got none: the time, as far as names go, and a number where that is taken. */
export function freeName(checkpoints: readonly Node[], now: string): string {
  const base = now.replace(/\.\d+Z$/, 'Z').replaceAll(':', '.');
  const taken = new Set(checkpoints.map(({ name }) => name));
  let name = base;
  for (let number = 2; taken.has(name); number += 1) name = `${base}-${number}`;
  return name;
}
