import { parseDuration } from '@corral/core/units';
import { type ConsoleOptions, consoleSession } from '../../console/console-session.ts';
import { cliErrors } from '../../errors.ts';
import { type Io, write } from '../../io.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

const defaultLingerMs = 2_000;

export const vmConsole: CommandDefinition = {
  description:
    'Connects the terminal to the serial console of a VM. It begins with the latest output. Every key goes to the guest, Ctrl-C too; Ctrl-] leaves the console, and the VM runs on.\n\nWith a pipe or a file as input, that goes to the guest, and the command ends when the guest has been silent for a while.',
  examples: [
    { command: 'corral vm console web1', explains: 'Ctrl-] leaves it' },
    { command: 'corral vm console web1 --no-input > boot.log', explains: 'watch until the VM ends' },
    { command: "echo 'poweroff' | corral vm console web1", explains: 'type something from a script' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .option('--no-input', 'only watch; nothing is sent to the guest')
      .option(
        '--linger <duration>',
        'with a pipe: how long the guest must be silent at the end of the input; default: 2s',
        (text: string): number => parseDuration(text),
      )
      .action(async (vm, { input, linger: lingerMs = defaultLingerMs }) => {
        const { io } = context;
        const client = await context.client();
        const { ticket } = await client.vm.ticket.create(vm, { kind: 'console' }, context.call);
        const guest = await client.vm.console(vm, { ticket }, context.call);
        const kind = inputKind(io, input);
        if (kind === 'keyboard') await write(io.stderr, `Console of ${vm}; Ctrl-] leaves it.\r\n`);
        const end = await consoleSession(guest, io, { input: kind, lingerMs }).catch((cause: unknown) => {
          if (context.signal.aborted) throw cause;
          const reason = cause instanceof Error ? cause.message : String(cause);
          throw cliErrors['console-closed']({ vm, reason }, { cause });
        });
        if (kind === 'keyboard')
          await write(io.stderr, end === 'detached' ? '\nDetached.\n' : '\nThe VM has ended.\n');
      });
  },
};

function inputKind(io: Io, wanted: boolean): ConsoleOptions['input'] {
  if (!wanted) return 'none';
  return io.stdin.isTTY ? 'keyboard' : 'pipe';
}
