import { write } from '../../../io.ts';
import { say } from '../../../output.ts';
import { replaceFile } from '../../../replace-file.ts';
import type { CommandDefinition } from '../../../tree/command-tree.ts';

/** A large file takes its time through the agent; its first byte must come within this. */
const limitMs = 120_000;

export const guestGet: CommandDefinition = {
  description:
    'Fetches a file of the guest, at most 64 MiB, to a file of this machine or to standard output. A file of this machine is replaced when all has arrived, not before.',
  examples: [
    { command: 'corral vm guest get web1 /etc/hostname', explains: 'to standard output' },
    { command: 'corral vm guest get web1 /var/log/messages messages', explains: 'to a file' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<guest-file>', 'absolute path in the guest')
      .argument('[file]', 'where to; default: standard output')
      .action(async (vm, guestFile, file = '-') => {
        const client = await context.client();
        const bytes = await client.guest.file.get(vm, { path: guestFile }, { ...context.call, limitMs });
        if (file === '-') {
          for await (const piece of bytes) await write(context.io.stdout, piece);
          return;
        }
        const sizeBytes = await replaceFile(context.io, file, bytes);
        await say(
          context,
          { path: file, sizeBytes },
          `${file} has ${sizeBytes} bytes from ${vm}:${guestFile}.`,
        );
      });
  },
};
