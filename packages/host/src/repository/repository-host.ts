/** What the operations on repositories share. */

import { giveUpSessions } from '@corral/backup/prune/sessions-at-work';
import type { Repository } from '@corral/backup/repository';
import { derivedId } from '@corral/core/ids';
import type { EmitEvent } from '../vm/vm-events.ts';
import type { RepositoryConnections } from './connections.ts';

export interface RepositoryHost {
  readonly connections: RepositoryConnections;
  readonly emit: EmitEvent;
}

export interface Named {
  readonly id: string;
  readonly name: string;
}

export function repositorySubject({ id, name }: Named) {
  return { kind: 'repository', id, name } as const;
}

/** Held together by whatever works with a connection, alone by what removes it. */
export function connectionTarget(id: string): { readonly shared: string } {
  return { shared: `repository/${id}` };
}

/** Held alone by what deletes from a repository, as far as this host goes. */
export function maintenanceTarget(id: string): string {
  return `repository-maintenance/${id}`;
}

export interface Try {
  readonly operationId: string;
  /** 1 at the first try. */
  readonly attempt: number;
  readonly signal: AbortSignal;
}

/**
 * Ids for the sessions of this try of an operation, one for each of `names`. Those of the tries before died with their
 * daemon: they are given up, so that nobody waits for them.
 */
export async function sessionsOfTry(
  repository: Repository,
  { attempt, operationId, signal }: Try,
  names: readonly string[],
): Promise<(name: string) => string> {
  const idOf = (name: string, number: number): string =>
    derivedId(`session ${name}, try ${number} of operation ${operationId}`);
  const earlier = Array.from({ length: attempt - 1 }, (_, index) => index + 1);
  const dead = earlier.flatMap((number) => names.map((name) => idOf(name, number)));
  await giveUpSessions(repository.context, new Set(dead), signal);
  return (name) => idOf(name, attempt);
}
