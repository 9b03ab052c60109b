import type { GuestExecResult } from '@corral/api/schemas/guest';
import { parseDuration } from '@corral/core/units';
import { CommandEnded } from '../../command-ended.ts';
import { cliErrors } from '../../errors.ts';
import { exitCodeOfGuest } from '../../exit-codes.ts';
import { readStream } from '../../files.ts';
import { type Io, write } from '../../io.ts';
import { print } from '../../output.ts';
import { parseVariable } from '../../parse/environment-variable.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { repeated } from '../repeated.ts';

/** The most that the API takes. A program that may run for long is not ended here: the administrator has Ctrl-C. */
const longestLimitMs = 3_600_000;
/** What the daemon needs beside the program's own time. */
const graceMs = 30_000;
/** Base64 of it is what the API takes at most. */
const longestInput = 786_432;

export const vmExec: CommandDefinition = {
  description:
    "Runs a program in the guest through its agent and waits for it. Its output goes to our own, its exit code becomes ours; a signal that ended it counts 128 more, as in a shell, and a code above 255 is 1. There is no shell in between: call one for pipes and variables. With -o json the API's object is printed.",
  examples: [
    { command: 'corral vm exec web1 -- uname -a', explains: 'a program and its arguments behind --' },
    {
      command: "corral vm exec web1 -- sh -c 'echo $HOME; ls /mnt'",
      explains: 'through a shell of the guest',
    },
    { command: 'corral vm exec web1 --stdin -- tee /etc/motd < motd', explains: 'with our input' },
    {
      command: 'corral vm exec web1 --env LANG=C --limit 10m -- apt-get -y upgrade',
      explains: 'for ten minutes at most',
    },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<command...>', 'program and arguments, behind --')
      .option('--env <variable>', 'NAME=VALUE, may be given several times', repeated(parseVariable))
      .option('-i, --stdin', 'give it our standard input, at most 768 KiB')
      .option(
        '--limit <duration>',
        'how long to wait; the program runs on in the guest; default and most: 1h',
        (text: string): number => parseDuration(text),
      )
      .action(async (vm, program, { env = [], stdin, limit = longestLimitMs }) => {
        const client = await context.client();
        const input = stdin ? await readStream(context.io.stdin, 'standard input', longestInput) : undefined;
        const result = await client.guest.exec(
          vm,
          {
            command: program,
            limitMs: limit,
            // Every byte for people and pipes, readable text for programs that parse.
            encoding: context.output === 'json' ? 'utf-8' : 'base64',
            ...(env.length > 0 && { env: Object.fromEntries(env) }),
            ...(input && { stdin: input.toString('base64') }),
          },
          { ...context.call, limitMs: limit + graceMs },
        );
        if (context.output === 'json') await print(context, result);
        else await passOn(context.io, result);
        if (result.truncated) throw cliErrors['output-lost']({ vm });
        if (result.exitCode !== 0) throw new CommandEnded(exitCodeOfGuest(result));
      });
  },
};

async function passOn(io: Io, { encoding, stdout, stderr }: GuestExecResult): Promise<void> {
  const bytes = (text: string): Buffer => Buffer.from(text, encoding === 'base64' ? 'base64' : 'utf8');
  await write(io.stdout, bytes(stdout));
  await write(io.stderr, bytes(stderr));
}
