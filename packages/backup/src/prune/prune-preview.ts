/** What a prune would free. Writes nothing, not even a session: the figures are those of one moment. */
import type { RepositoryContext } from '../context.ts';
import { listSessions } from '../session/session.ts';
import { look, packUses } from './look.ts';
import { defaultLimits, planPrune } from './prune-plan.ts';

export interface PrunePreview {
  readonly packs: number;
  /** Of the packs that would go, less what of them would be copied. Running backups may hold some of it up. */
  readonly freedBytes: number;
}

/** @throws repository.append-only, and what a prune throws that cannot tell what is needed */
export async function previewPrune(
  context: RepositoryContext,
  { signal, without }: { readonly without: ReadonlySet<string>; readonly signal?: AbortSignal | undefined },
): Promise<PrunePreview> {
  context.throwIfAppendOnly();
  const sessions = () => listSessions(context.store, context.keys, signal);
  const options = { sessions, ownId: '', signal, without };
  return await look(context, options, async (seen) => {
    const uses = await packUses(seen, options);
    const { copy, doom } = planPrune(uses, defaultLimits);
    const going = new Set([...doom, ...seen.state.doomed.flatMap(({ packs }) => packs)]);
    const copied = new Set(copy);
    let packs = 0;
    let freedBytes = 0;
    for (const { hash, isDoomed, liveBytes } of uses) {
      if (!going.has(hash)) continue;
      packs += 1;
      freedBytes += seen.packs.get(hash)! - (isDoomed || copied.has(hash) ? liveBytes : 0);
    }
    return { packs, freedBytes: Math.max(0, freedBytes) };
  });
}
