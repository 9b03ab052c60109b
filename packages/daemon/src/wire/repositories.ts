/** The host's part for repositories, put together. */
import type { DataDirectory } from '@corral/host/data-directory';
import { RepositoryConnections } from '@corral/host/repository/connections';
import { CredentialFiles } from '@corral/host/repository/credentials';
import type { RepositoryHost } from '@corral/host/repository/repository-host';
import { RepositoryRecords } from '@corral/host/repository/repository-record';
import type { OperationSnapshot } from '@corral/operation/operation';
import type { Store } from '@corral/store/store';

export function assembleRepositories(
  store: Store,
  directory: DataDirectory,
  emit: RepositoryHost['emit'],
): RepositoryHost {
  const connections = new RepositoryConnections(
    new RepositoryRecords(store),
    new CredentialFiles(directory.root),
  );
  return { connections, emit };
}

/** Secrets that were written for an operation which a daemon that died could not begin. */
export async function removeStraySecrets(
  { connections }: RepositoryHost,
  unfinished: readonly OperationSnapshot[],
): Promise<void> {
  const ofOperations = unfinished.flatMap(({ targets }) =>
    targets.filter((target) => target.startsWith('repository/')).map((target) => target.split('/')[1]!),
  );
  const ofRecords = (await connections.records.list()).map(({ id }) => id);
  await connections.credentials.removeStrays(new Set([...ofOperations, ...ofRecords]));
}
