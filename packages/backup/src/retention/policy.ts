/** The repository's policy: it can be tightened and never loosened. */
import { hostname } from 'node:os';
import type { RepositoryContext } from '../context.ts';
import { repositoryErrors } from '../errors.ts';
import { nextState, putState, type RepositoryPolicy } from '../state/state.ts';

const mostAttempts = 5;

/** @throws repository.lock-shorter, repository.busy */
export async function tightenPolicy(
  context: RepositoryContext,
  wanted: Partial<RepositoryPolicy>,
): Promise<void> {
  const session = await context.beginSession('maintenance', []);
  try {
    for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
      const { policy } = context.state;
      const lockDays = wanted.lockDays ?? policy.lockDays;
      if (lockDays < policy.lockDays) {
        throw repositoryErrors['lock-shorter']({
          asked: `${lockDays} days`,
          current: `${policy.lockDays} days`,
        });
      }
      if (wanted.appendOnly === false && policy.appendOnly) {
        throw repositoryErrors['append-only']({ place: context.store.place });
      }
      const tightened = { appendOnly: policy.appendOnly || wanted.appendOnly === true, lockDays };
      const state = nextState(context.state, hostname(), { policy: tightened });
      const isStored = await putState(context.store, context.keys, session.idBytes, state);
      await context.refresh();
      if (isStored) return;
    }
    throw repositoryErrors.busy({ what: 'Changing the policy', attempts: mostAttempts });
  } finally {
    await session.end();
  }
}
