/**
 * `corral __complete`, which the shells' scripts call:
 *
 *   bash WORDBREAKS LINE     LINE up to the cursor, the program's name included
 *   zsh WORD...              behind the program's name, the last one at the cursor
 *
 * Prints `files` or `none` (whether the shell offers files too), then `VALUE<Tab>DESCRIPTION` lines.
 */
import type { Command } from 'commander';
import { Context } from '../context.ts';
import type { GlobalOptions } from '../global-options.ts';
import { type Io, write } from '../io.ts';
import { printable } from '../render/printable.ts';
import { buildProgram, fill } from '../tree/build-program.ts';
import type { CommandGroup } from '../tree/command-tree.ts';
import { isGroup } from '../tree/command-tree.ts';
import { rootGroup } from '../tree/root.ts';
import { type Candidates, candidatesAt } from './candidates.ts';
import { findPlace } from './completion-place.ts';
import { splitLine } from './split-line.ts';

/** @returns the exit code. Never rejects, and says nothing on standard error: it would land in the prompt. */
export async function complete(args: readonly string[], io: Io): Promise<number> {
  await using context = new Context(io);
  const [shell, ...rest] = args;
  const words = shell === 'bash' ? splitLine(rest[1] ?? '').slice(1) : rest;
  try {
    const { files, items } = await completeWords(words, context);
    const cut = shell === 'bash' ? brokenPrefix(words.at(-1) ?? '', rest[0] ?? '') : 0;
    const lines = items.map(({ value, description }) => `${value.slice(cut)}\t${printable(description)}`);
    await write(io.stdout, `${[files, ...lines].join('\n')}\n`);
    return 0;
  } catch {
    // A module that does not load or a closed pipe: without an answer the shell offers nothing.
    return 1;
  }
}

async function completeWords(words: readonly string[], context: Context): Promise<Candidates> {
  const program = buildProgram(rootGroup, '', context, { out: () => undefined, columns: undefined });
  const groups = new Map<Command, CommandGroup>([[program, rootGroup]]);
  const place = await findPlace(program, words, async (command, parent) => {
    const node = await groups.get(parent)?.commands[command.name()]?.load();
    if (!node) return;
    fill(command, node, context);
    if (isGroup(node)) groups.set(command, node);
  });
  context.use({ output: 'table', ...place.given } as GlobalOptions);
  return candidatesAt(place, context);
}

/**
 * bash replaces only what follows the last of its word breaks (`=`, `:`): so much of every candidate is on the line
 * already (bash(1), COMP_WORDBREAKS).
 */
function brokenPrefix(word: string, breaks: string): number {
  const at = Math.max(
    ...['=', ':'].filter((char) => breaks.includes(char)).map((char) => word.lastIndexOf(char)),
    -1,
  );
  return at + 1;
}
