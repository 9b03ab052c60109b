import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { cliErrors } from '../../../errors.ts';
import { reasonOf } from '../../../files.ts';
import type { Io } from '../../../io.ts';
import { say } from '../../../output.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';

/** 64 MiB, the most that the API takes, through an agent that is slow. */
const limitMs = 600_000;

export const guestPut: CommandDefinition = {
  description:
    'Writes a file in the guest, at most 64 MiB, from a file of this machine or from standard input (-).',
  examples: [
    { command: 'corral vm guest put web1 app.conf /etc/app.conf', explains: 'from a file' },
    { command: 'date | corral vm guest put web1 - /tmp/now', explains: 'from a pipe' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<file>', 'from where; - is standard input')
      .argument('<guest-file>', 'absolute path in the guest')
      .action(async (vm, file, guestFile) => {
        const client = await context.client();
        const written = await client.guest.file.put(
          vm,
          contentOf(context.io, file),
          { path: guestFile },
          { ...context.call, limitMs },
        );
        await say(context, written, `${vm}:${written.path} has ${written.sizeBytes} bytes.`);
      });
  },
};

/** @throws cli.file while it is read */
async function* contentOf(io: Io, file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* file === '-' ? io.stdin : createReadStream(resolve(io.currentDirectory, file));
  } catch (cause) {
    throw cliErrors.file({ path: file, action: 'read', reason: reasonOf(cause) }, { cause });
  }
}
