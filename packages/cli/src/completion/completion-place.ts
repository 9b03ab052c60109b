/** What is being typed at the cursor: which command, and which option or argument of it. */
import type { Argument, Command, Option } from 'commander';

export type Slot =
  | { readonly kind: 'subcommand' }
  | { readonly kind: 'option-name' }
  | { readonly kind: 'value'; readonly of: Option | Argument }
  | { readonly kind: 'nothing' };

export interface CompletionPlace {
  /** From the program down to the command that the words name. */
  readonly commands: readonly Command[];
  readonly slot: Slot;
  /** What is typed of it so far; behind `=` for `--option=value`. */
  readonly typed: string;
  /** What stands before `typed` in the word. */
  readonly prefix: string;
  readonly positionals: readonly string[];
  /** Options that were given a value, by their attribute names. */
  readonly given: Readonly<Record<string, string>>;
}

/**
 * @param words behind the program's name, the last one at the cursor
 * @param load fills in a subcommand before it is looked at
 */
export async function findPlace(
  program: Command,
  words: readonly string[],
  load: (command: Command, parent: Command) => Promise<void>,
): Promise<CompletionPlace> {
  const commands = [program];
  const positionals: string[] = [];
  const given: Record<string, string> = {};
  let awaited: Option | null = null;
  let onlyOperands = false;
  for (const word of words.slice(0, -1)) {
    const command = commands.at(-1)!;
    if (awaited) {
      given[awaited.attributeName()] = word;
      awaited = null;
    } else if (onlyOperands || !word.startsWith('-') || word === '-') {
      const subcommand = command.commands.find((candidate) => candidate.name() === word);
      if (subcommand) {
        await load(subcommand, command);
        commands.push(subcommand);
      } else positionals.push(word);
    } else if (word === '--') onlyOperands = true;
    else {
      const [name = '', value] = splitOnce(word);
      const option = findOption(commands, name);
      if (option && value !== undefined) given[option.attributeName()] = value;
      else if (option?.required) awaited = option;
    }
  }
  const at = { commands, positionals, given };
  return { ...at, ...slotOf(at, words.at(-1) ?? '', awaited, onlyOperands) };
}

type Place = Pick<CompletionPlace, 'slot' | 'typed' | 'prefix'>;

function slotOf(
  { commands, positionals }: Pick<CompletionPlace, 'commands' | 'positionals'>,
  word: string,
  awaited: Option | null,
  onlyOperands: boolean,
): Place {
  if (awaited) return { slot: { kind: 'value', of: awaited }, typed: word, prefix: '' };
  if (word.startsWith('-') && !onlyOperands) {
    const [name = '', value] = splitOnce(word);
    const option = value === undefined ? undefined : findOption(commands, name);
    if (!option?.required) return { slot: { kind: 'option-name' }, typed: word, prefix: '' };
    return { slot: { kind: 'value', of: option }, typed: value ?? '', prefix: `${name}=` };
  }
  const command = commands.at(-1)!;
  if (command.commands.length > 0) {
    const slot: Slot = positionals.length === 0 ? { kind: 'subcommand' } : { kind: 'nothing' };
    return { slot, typed: word, prefix: '' };
  }
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments[positionals.length] ?? (last?.variadic ? last : undefined);
  return { slot: argument ? { kind: 'value', of: argument } : { kind: 'nothing' }, typed: word, prefix: '' };
}

/** The options of the command at hand and those of the program, which every command takes. */
export function optionsAt(commands: readonly Command[]): readonly Option[] {
  const own = commands.at(-1)!.options;
  return commands.length === 1
    ? own
    : [...own, ...commands[0]!.options.filter(({ long }) => long !== '--version')];
}

function findOption(commands: readonly Command[], name: string): Option | undefined {
  return optionsAt(commands).find((option) => option.long === name || option.short === name);
}

function splitOnce(word: string): [string, string | undefined] {
  const at = word.startsWith('--') ? word.indexOf('=') : -1;
  return at === -1 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}
