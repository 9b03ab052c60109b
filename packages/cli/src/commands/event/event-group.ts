import type { CommandGroup } from '../../tree/command-tree.ts';

export const eventGroup: CommandGroup = {
  examples: [
    { command: 'corral event list', explains: 'what happened lately' },
    { command: 'corral event list --subject web1', explains: 'what happened to a VM' },
    { command: 'corral event follow', explains: 'what happens from now on; Ctrl-C ends it' },
  ],
  commands: {
    list: { summary: 'What happened', load: async () => (await import('./event-list.ts')).eventList },
    follow: {
      summary: 'What happens from now on',
      load: async () => (await import('./event-follow.ts')).eventFollow,
    },
  },
};
