import { printLine } from '../../output.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';

export const tokenRevoke: CommandDefinition = {
  description: 'Revokes a token: it is refused from the next request on.',
  examples: [{ command: 'corral token revoke grafana', explains: 'by name or id' }],
  define: (command, context) => {
    command.argument('<token>', 'name or id').action(async (token) => {
      const client = await context.client();
      await client.token.revoke(token, context.call);
      if (context.output === 'table') await printLine(context, `Token ${token} is revoked.`);
    });
  },
};
