import type { CommandGroup } from '../../tree/command-tree.ts';

export const completionGroup: CommandGroup = {
  description: 'Prints a script that completes commands, options and names of VMs with the Tab key.',
  examples: [
    { command: 'source <(corral completion bash)', explains: 'in ~/.bashrc' },
    { command: 'source <(corral completion zsh)', explains: 'in ~/.zshrc, behind compinit' },
  ],
  commands: {
    bash: {
      summary: 'For bash',
      load: async () => (await import('./completion-script.ts')).completionBash,
    },
    zsh: { summary: 'For zsh', load: async () => (await import('./completion-script.ts')).completionZsh },
  },
};
