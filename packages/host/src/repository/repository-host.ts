/** What the operations on repositories share. */

import { giveUpSession } from '@corral/backup/prune/sessions-at-work';
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

/**
 * The id of a session of this try of an operation. Those of the tries before died with their daemon: they are given
 * up, so that nobody waits for them.
 */
export async function sessionOfTry(
  repository: Repository,
  operationId: string,
  attempt: number,
  signal: AbortSignal,
): Promise<string> {
  const idOf = (number: number): string => derivedId(`session ${number} of operation ${operationId}`);
  for (let earlier = 1; earlier < attempt; earlier += 1) {
    await giveUpSession(repository.context, idOf(earlier), signal);
  }
  return idOf(attempt);
}
