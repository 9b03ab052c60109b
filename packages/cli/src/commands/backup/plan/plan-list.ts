import { listCommand } from '../../list-command.ts';

export const planList = listCommand(
  [{ command: 'corral backup plan list', explains: 'when each ran, and runs next' }],
  (client, query, call) => client.plan.list(query, call),
  async () => (await import('../../../views/plan-view.ts')).planTable,
);
