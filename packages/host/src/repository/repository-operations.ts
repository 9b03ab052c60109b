/** Every kind of operation on repositories, made once per daemon. */
import { repositoryConnect, repositoryCreate, repositoryRemove } from './operations/connect.ts';
import { repositoryCopy } from './operations/copy.ts';
import { repositoryKeyAdd, repositoryKeyChange, repositoryKeyRemove } from './operations/keys.ts';
import { repositoryCheck, repositoryPrune, repositoryRepair, repositorySet } from './operations/maintain.ts';
import type { RepositoryHost } from './repository-host.ts';

export function repositoryOperations(host: RepositoryHost) {
  return {
    create: repositoryCreate(host),
    connect: repositoryConnect(host),
    remove: repositoryRemove(host),
    set: repositorySet(host),
    check: repositoryCheck(host),
    prune: repositoryPrune(host),
    repair: repositoryRepair(host),
    copy: repositoryCopy(host),
    keyAdd: repositoryKeyAdd(host),
    keyRemove: repositoryKeyRemove(host),
    keyChange: repositoryKeyChange(host),
  };
}

export type RepositoryOperations = ReturnType<typeof repositoryOperations>;
