/** One run of `corral`: arguments in, exit code out. Nothing here touches the process; tests call it as it is. */
import { CommanderError } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { CommandEnded } from './command-ended.ts';
import { Context } from './context.ts';
import { cliErrors } from './errors.ts';
import { exitCodes } from './exit-codes.ts';
import type { GlobalOptions, OutputFormat } from './global-options.ts';
import { type Io, wantsColour, write } from './io.ts';
import { paintFor } from './render/paint.ts';
import { buildProgram } from './tree/build-program.ts';
import { rootGroup } from './tree/root.ts';

/** @param args without the names of Node and of the program. Never rejects. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  if (args[0] === '__complete') {
    const { complete } = await import('./completion/complete.ts');
    return complete(args.slice(1), io);
  }
  await using context = new Context(io);
  try {
    await runCommand(args, context);
    return exitCodes.ok.code;
  } catch (cause) {
    if (cause instanceof CommandEnded) return cause.exitCode;
    const { reportError } = await import('./report-error.ts');
    const report = reportError(cause, formatOf(args), paintFor(wantsColour(io.stderr, io.env)));
    // Where standard error is closed too, the exit code is all that is left to say.
    await write(io.stderr, report.text).catch(() => undefined);
    return report.exitCode;
  }
}

async function runCommand(args: readonly string[], context: Context): Promise<void> {
  const shown: string[] = [];
  let reached = 'corral';
  const program = buildProgram(rootGroup, packageJson.version, context, {
    out: (text) => shown.push(text),
    columns: context.io.stdout.columns,
    onReached: (commandLine) => {
      reached = commandLine;
    },
  });
  program.hook('preAction', () => context.use(program.opts<GlobalOptions>()));
  try {
    await program.parseAsync(helpLast(args), { from: 'user' });
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    await endOf(cause, shown.join(''), reached, context.io);
  }
}

/** What commander ended with: help or version that was asked for, help instead of a missing command, or a mistake. */
async function endOf(cause: CommanderError, shown: string, reached: string, io: Io): Promise<void> {
  if (cause.code === 'commander.helpDisplayed' || cause.code === 'commander.version') {
    await write(io.stdout, shown);
    return;
  }
  if (cause.code === 'commander.help') {
    await write(io.stderr, shown);
    throw new CommandEnded(exitCodes.usage.code);
  }
  const message = cause.message.replace(/^error: /, '').replace(/\n/g, ' ');
  const sentence = `${message.charAt(0).toUpperCase()}${message.slice(1)}`;
  throw cliErrors.usage(
    { message: /[.?!)]$/.test(sentence) ? sentence : `${sentence}.`, see: `${reached} --help` },
    { cause },
  );
}

/** `corral help vm create` is `corral vm create --help`. */
function helpLast(args: readonly string[]): string[] {
  return args[0] === 'help' ? [...args.slice(1), '--help'] : [...args];
}

/** What `-o` asked for, also when the rest of the command line could not be parsed. */
function formatOf(args: readonly string[]): OutputFormat {
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  const asked = own.some(
    (arg, index) =>
      arg === '-ojson' ||
      arg === '--output=json' ||
      ((arg === '-o' || arg === '--output') && own[index + 1] === 'json'),
  );
  return asked ? 'json' : 'table';
}
