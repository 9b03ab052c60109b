import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import type { Context } from '../../context.ts';
import { cliErrors } from '../../errors.ts';
import { show } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { inRepository } from './backup-options.ts';

export const backupShow: CommandDefinition = {
  examples: [
    { command: 'corral backup show nightly', explains: 'its consistency, its disks, its figures' },
    {
      command: 'corral backup show nightly --screenshot nightly.png',
      explains: 'and what its display showed when it was verified',
    },
  ],
  define: (command, context) => {
    command
      .argument('<backup>', 'id, or name if no other has it')
      .option(...inRepository)
      .option('--screenshot <file>', 'write the picture of the newest test that kept one to a new file')
      .action(async (backup, { repository, screenshot }) => {
        const client = await context.client();
        const query = repository === undefined ? {} : { repository };
        if (screenshot !== undefined)
          await writePicture(context, client, { backup, query, file: screenshot });
        await show(
          context,
          await client.backup.show(backup, query, context.call),
          async () => (await import('../../views/backup-view.ts')).backupDetails,
        );
      });
  },
};

interface Wanted {
  readonly backup: string;
  readonly query: { readonly repository?: string };
  readonly file: string;
}

/** @throws cli.file */
async function writePicture(
  context: Context,
  client: Client,
  { backup, file, query }: Wanted,
): Promise<void> {
  const { items } = await client.backup.findings(backup, query, context.call);
  const picture = items.find(({ screenshot }) => screenshot !== null)?.screenshot;
  const path = resolve(context.io.currentDirectory, file);
  const failed = (reason: string, cause?: unknown): Error =>
    cliErrors.file({ path, action: 'write', reason }, { cause });
  if (picture == null)
    throw failed('no test of this backup kept a picture; "corral backup verify" makes one');
  try {
    await writeFile(path, Buffer.from(picture, 'base64'), { flag: 'wx' });
  } catch (cause) {
    throw failed((cause as Error).message, cause);
  }
}
