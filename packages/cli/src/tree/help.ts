/** How `--help` looks: what it does, how it is called, what may be given, and examples to copy. */
import type { Argument, Command, HelpConfiguration, Option } from 'commander';
import type { Example } from './command-tree.ts';

export const helpSettings: HelpConfiguration = {
  sortSubcommands: false,
  // The first lines of a command's help are its description; a list of commands has room for the summary only.
  subcommandTerm: (command) => command.name(),
  subcommandDescription: (command) => command.summary(),
  optionDescription: describe,
  argumentDescription: describe,
  showGlobalOptions: true,
  visibleGlobalOptions: (command) =>
    command.parent ? rootOf(command).options.filter(({ long }) => long !== '--version') : [],
  styleTitle: (title) => (title === 'Global Options:' ? 'Options of every command:' : title),
};

export function describe({ description, argChoices, defaultValue }: Option | Argument): string {
  const notes: string[] = [];
  if (argChoices) notes.push(argChoices.join(' | '));
  if (typeof defaultValue === 'string') notes.push(`default: ${defaultValue}`);
  return notes.length === 0 ? description : `${description} (${notes.join('; ')})`;
}

function rootOf(command: Command): Command {
  return command.parent ? rootOf(command.parent) : command;
}

export function addExamples(command: Command, examples: readonly Example[]): void {
  if (examples.length === 0) return;
  const lines = examples.flatMap(({ command: typed, explains }) => [`  $ ${typed}`, `      ${explains}`]);
  command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}
