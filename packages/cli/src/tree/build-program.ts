/**
 * Makes commander's program from the tree of commands. A node is loaded when the parser comes to it: the hook
 * `preSubcommand` fills in the stub of the command that was named.
 */
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { globalOptions } from '../global-options.ts';
import { type BlankCommand, type CommandDefinition, type CommandGroup, isGroup } from './command-tree.ts';
import { addExamples, helpSettings } from './help.ts';

export interface ProgramOutput {
  readonly out: (text: string) => void;
  readonly columns: number | undefined;
  /** Called with each command on the way to the one that was named: `corral vm`, `corral vm create`. */
  readonly onReached?: (commandLine: string) => void;
}

/** The program of `root`; nothing below it is loaded. Throws CommanderError instead of ending the process. */
export function buildProgram(root: CommandGroup, version: string, context: Context, output: ProgramOutput) {
  const program = new Command('corral')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .exitOverride()
    .configureHelp(helpSettings)
    .configureOutput({
      writeOut: output.out,
      // Errors are said by report-error.ts; help after an error arrives here and goes to the same place.
      writeErr: output.out,
      outputError: () => undefined,
      getOutHelpWidth: () => output.columns ?? 100,
      getErrHelpWidth: () => output.columns ?? 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  for (const option of globalOptions()) program.addOption(option);
  fill(program, root, context, output.onReached);
  return program;
}

/** Adds what `node` says to a command that has nothing but its name and summary. */
export function fill(
  command: Command,
  node: CommandGroup | CommandDefinition,
  context: Context,
  onReached?: ProgramOutput['onReached'],
): void {
  if (node.description !== undefined) command.description(node.description);
  else command.description(sentence(command.summary()));
  addExamples(command, node.examples);
  if (!isGroup(node)) {
    // The typings of options and arguments exist for the compiler only: it is the same object.
    node.define(command as unknown as BlankCommand, context);
    return;
  }
  command.helpCommand(false);
  for (const [name, entry] of Object.entries(node.commands)) command.command(name).summary(entry.summary);
  command.hook('preSubcommand', async (_command, subcommand) => {
    onReached?.(commandLineOf(subcommand));
    const entry = node.commands[subcommand.name()];
    if (entry) fill(subcommand, await entry.load(), context, onReached);
  });
}

function commandLineOf(command: Command): string {
  return command.parent ? `${commandLineOf(command.parent)} ${command.name()}` : command.name();
}

function sentence(summary: string): string {
  return summary === '' ? '' : `${summary}.`;
}
