/**
 * The tree of commands. Its inner nodes are tables of names, summaries and ways to load what lies below, so that a
 * call loads the modules of its own command and of no other: starting `corral` must cost little more than starting Node.
 */
import type { Command } from '@commander-js/extra-typings';
import type { Context } from '../context.ts';

/** A command without arguments and options. */
export type BlankCommand = Command;

export interface Example {
  /** As it is typed, without a prompt. */
  readonly command: string;
  /** What it does, in a few words; lower case, no full stop. */
  readonly explains: string;
}

export interface CommandDefinition {
  /** More than the summary says; paragraphs are divided by an empty line. */
  readonly description?: string;
  readonly examples: readonly Example[];
  /** Adds arguments, options and the action. Touches nothing of the context before the action runs. */
  readonly define: (command: BlankCommand, context: Context) => void;
}

export interface CommandGroup {
  readonly description?: string;
  readonly examples: readonly Example[];
  readonly commands: Readonly<Record<string, CommandEntry>>;
}

export interface CommandEntry {
  /** One line, imperative, no full stop. */
  readonly summary: string;
  readonly load: () => Promise<CommandDefinition | CommandGroup>;
}

export function isGroup(node: CommandDefinition | CommandGroup): node is CommandGroup {
  return 'commands' in node;
}
