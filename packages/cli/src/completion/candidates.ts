/** What may stand at a place of the command line. */
import { Argument, type Option } from 'commander';
import type { Context } from '../context.ts';
import { type CompletionPlace, optionsAt } from './completion-place.ts';
import { namesOf } from './names.ts';

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

export interface Candidates {
  /** What the shell adds of its own. */
  readonly files: 'files' | 'none';
  readonly items: readonly Candidate[];
}

const none: Candidates = { files: 'none', items: [] };

/** Values begin with the place's prefix, so that they stand for the whole word. */
export async function candidatesAt(place: CompletionPlace, context: Context): Promise<Candidates> {
  const { slot, typed, prefix } = place;
  if (slot.kind === 'nothing') return none;
  const all = slot.kind === 'value' ? await valuesOf(slot.of, place, context) : listed(place);
  const items = all.items.filter(({ value }) => value.startsWith(typed));
  return {
    files: all.files,
    items: items.map(({ value, description }) => ({ value: prefix + value, description })),
  };
}

function listed({ slot, commands }: CompletionPlace): Candidates {
  const command = commands.at(-1)!;
  const items =
    slot.kind === 'subcommand'
      ? command.commands.map((sub) => ({ value: sub.name(), description: sub.summary() }))
      : [
          ...optionsAt(commands).map((option) => ({ value: option.long!, description: option.description })),
          { value: '--help', description: 'show help' },
        ];
  return { files: 'none', items };
}

/** Names of arguments and of options' values tell what they are; `<vm>` is a VM everywhere. */
async function valuesOf(
  of: Option | Argument,
  place: CompletionPlace,
  context: Context,
): Promise<Candidates> {
  if (of.argChoices) {
    return { files: 'none', items: of.argChoices.map((value) => ({ value, description: '' })) };
  }
  const name = of instanceof Argument ? of.name() : (/<([^>]+)>/.exec(of.flags)?.[1] ?? '');
  switch (name) {
    case 'file':
    case 'directory':
      return { files: 'files', items: [] };
    case 'network':
      return { files: 'none', items: ['user', 'bridge:'].map((value) => ({ value, description: '' })) };
    default:
      return { files: 'none', items: await namesOf(name, place.positionals, context) };
  }
}
