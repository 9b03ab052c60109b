/** Who is at work, who has ended, and who is given up (docs/formats/repository.md, "Ended"). */
import { hostname } from 'node:os';
import type { RepositoryContext } from '../context.ts';
import { uuidBytes } from '../crypto/keys.ts';
import { sealDocument } from '../format/document.ts';
import { listAll } from '../object-store/object-store.ts';
import { pointName, type Tombstone } from '../point/point.ts';
import { deadAfterMs, listSessions, type SeenSession } from '../session/session.ts';

/** Sessions that have not ended, our own left out; those without a sign of life are revoked on the way. */
export async function sessionsAtWork(
  context: RepositoryContext,
  ownId: string,
  signal?: AbortSignal,
): Promise<SeenSession[]> {
  const { store, keys } = context;
  const sessions = (await listSessions(store, keys, signal)).filter(({ id }) => id !== ownId);
  if (sessions.length === 0) return [];
  const now = await store.now(signal);
  const ended = new Set(
    (await listAll(store, 'points/', signal)).map(({ name }) => name.slice('points/'.length)),
  );
  const atWork: SeenSession[] = [];
  for (const session of sessions) {
    if (ended.has(session.id)) await removeSession(context, session.id, signal);
    else if (now - session.lastSignAt < deadAfterMs) atWork.push(session);
    else await revoke(context, session.id, signal);
  }
  return atWork;
}

/**
 * Gives up those of the sessions `ids` that are still there, whose process is known to be dead, without waiting until they
 * are old. Safe even where that is wrong: a
 * living writer fails at its commit.
 */
export async function giveUpSessions(
  context: RepositoryContext,
  ids: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<void> {
  if (ids.size === 0) return;
  const names = (await listAll(context.store, 'sessions/', signal)).map(({ name }) => name.split('/')[1]!);
  for (const id of new Set(names)) if (ids.has(id)) await revoke(context, id, signal);
}

/** The same for one. */
export async function giveUpSession(
  context: RepositoryContext,
  id: string,
  signal?: AbortSignal,
): Promise<void> {
  await giveUpSessions(context, new Set([id]), signal);
}

/** Whoever puts the session's name first decides: the tombstone here, or the point there. */
async function revoke(context: RepositoryContext, id: string, signal?: AbortSignal): Promise<void> {
  const { store, keys } = context;
  const tombstone: Tombstone = { revoked: true, by: hostname(), at: new Date().toISOString() };
  await store.put(pointName(id), sealDocument(keys, pointName(id), uuidBytes(id), tombstone), { signal });
  await removeSession(context, id, signal);
}

async function removeSession(context: RepositoryContext, id: string, signal?: AbortSignal): Promise<void> {
  for (const { name } of await listAll(context.store, `sessions/${id}/`, signal)) {
    await context.store.delete(name, signal);
  }
}

/** Whether a session may still rely on packs that state `since` doomed. */
export function mayRelyOn(session: SeenSession, since: number): boolean {
  if (session.content === null) return true;
  return session.content.purpose !== 'read' && session.content.state < since;
}
