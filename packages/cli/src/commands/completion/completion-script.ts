import { completionScripts, type Shell } from '../../completion/scripts.ts';
import { write } from '../../io.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

function script(shell: Shell, place: string): CommandDefinition {
  return {
    description: `Prints the completion script for ${shell}.`,
    examples: [
      { command: `source <(corral completion ${shell})`, explains: `in ~/.${shell}rc` },
      { command: `corral completion ${shell} > ${place}`, explains: 'for all users' },
    ],
    define: (command, context) => {
      command.action(() => write(context.io.stdout, completionScripts[shell]));
    },
  };
}

export const completionBash = script('bash', '/usr/share/bash-completion/completions/corral');
export const completionZsh = script('zsh', '/usr/local/share/zsh/site-functions/_corral');
