/** repository.copy: backups into a second repository. Each copied point is whole; a killed copy goes on with the next. */
import type { RepositoryCopyResult } from '@corral/api/schemas/repository';
import { copyPoints } from '@corral/backup/copy/copy';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { connectionTarget, type RepositoryHost, sessionsOfTry } from '../repository-host.ts';

const Target = z.strictObject({ id: z.string(), name: z.string() });
const CopyInput = Target.extend({ to: Target, points: z.array(z.string()).nullable() });

export function repositoryCopy(host: RepositoryHost) {
  return defineOperation<z.infer<typeof CopyInput>, { copy: RepositoryCopyResult }>({
    kind: 'repository.copy',
    input: (json) => CopyInput.parse(json),
    target: ({ id, to }) => [connectionTarget(id), connectionTarget(to.id), `repository-copy/${to.id}`],
    title: ({ name, to }) => `Copy repository ${name} to ${to.name}`,
    cancellable: true,
    afterCrash: 'resume',
    steps: [
      {
        name: 'copy',
        run: async (context) => {
          const { input, progress, signal } = context;
          await using source = await host.connections.open(input.id, signal);
          await using target = await host.connections.open(input.to.id, signal);
          const ids = input.points ?? (await source.points(signal)).points.map(({ id }) => id);
          const idFor = await sessionsOfTry(target, context, ids);
          let done = 0;
          const report = (message: string): void =>
            progress({ done, total: ids.length, unit: 'items', message });
          report('looking what is there');
          const result = await copyPoints(source, target, ids, {
            idFor,
            signal,
            onPoint: (point) => {
              done += 1;
              report(`${point.vm.name} ${point.name}`);
            },
          });
          return { copied: result.copied.length, alreadyThere: result.skipped.length };
        },
      },
    ],
    output: (_input, results) => results.copy,
  });
}
