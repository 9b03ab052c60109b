import { Option } from '@commander-js/extra-typings';
import { CommandEnded } from '../../command-ended.ts';
import { cliErrors } from '../../errors.ts';
import { exitCodes } from '../../exit-codes.ts';
import { write } from '../../io.ts';
import { isLost } from '../../operation/wait-for-operation.ts';
import { printCompact } from '../../output.ts';
import { wholeNumber } from '../../parse/numbers.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { severities, severityHelp, subject, type } from './event-options.ts';

const giveUpMs = 120_000;

export const eventFollow: CommandDefinition = {
  description:
    'Prints events as they happen, across restarts of the daemon, without missing one and without one twice. Ctrl-C ends it. With -o json each is one line.',
  examples: [
    { command: 'corral event follow', explains: 'all of them' },
    { command: 'corral event follow --type vm --severity warning', explains: 'trouble with VMs' },
    { command: 'corral event follow --after 1200 -o json', explains: 'go on behind the event with seq 1200' },
  ],
  define: (command, context) => {
    command
      .option(...subject)
      .option(...type)
      .addOption(new Option('--severity <severity>', severityHelp).choices(severities))
      .option('--after <seq>', 'begin behind this event; default: with what comes now', (text: string) =>
        wholeNumber('the seq of an event', 0, Number.MAX_SAFE_INTEGER)(text),
      )
      .action(async (filter) => {
        const client = await context.client();
        const { eventLine } = await import('../../views/event-view.ts');
        try {
          for await (const event of client.event.follow(filter, { ...context.call, giveUpMs })) {
            if (context.output === 'json') await printCompact(context, event);
            else await write(context.io.stdout, eventLine(event, context.paint));
          }
        } catch (cause) {
          // Following has no other end: being interrupted is no error to speak of.
          if (context.signal.aborted) throw new CommandEnded(exitCodes.interrupted.code);
          if (!isLost(cause)) throw cause;
          const fix = 'Go on with --after and the seq of the last event that you have.';
          throw cliErrors['lost-daemon']({ what: 'events were followed', forMs: giveUpMs, fix }, { cause });
        }
      });
  },
};
