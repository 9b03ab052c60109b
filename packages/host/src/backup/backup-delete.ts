/** backup.delete: the point goes; what it shared with others stays, and the rest is freed by the next prune. */
import { deletePoint } from '@corral/backup/retention/point-locks';
import { isCorralError } from '@corral/core/errors';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import type { RepositoryConnections } from '../repository/connections.ts';
import { connectionTarget } from '../repository/repository-host.ts';

const Input = z.strictObject({
  backupId: z.string(),
  name: z.string(),
  vmName: z.string(),
  repositoryId: z.string(),
  repositoryName: z.string(),
});
export type BackupDeleteInput = z.infer<typeof Input>;

interface Results {
  delete: null;
}

export function backupDelete(connections: RepositoryConnections) {
  return defineOperation<BackupDeleteInput, Results>({
    kind: 'backup.delete',
    input: (json) => Input.parse(json),
    target: ({ backupId, repositoryId }) => [`backup-point/${backupId}`, connectionTarget(repositoryId)],
    title: ({ name, vmName, repositoryName }) => `Delete backup ${name} of VM ${vmName} in ${repositoryName}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'delete',
        run: async ({ input, signal }) => {
          await using repository = await connections.open(input.repositoryId, signal);
          try {
            await deletePoint(repository.context, input.backupId, signal);
          } catch (cause) {
            // A try before this one, or another host, has done it.
            if (!isCorralError(cause, 'repository.point-not-found')) throw cause;
          }
          return null;
        },
      },
    ],
    output: ({ backupId }) => ({ backupId }),
  });
}
