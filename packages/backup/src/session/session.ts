/**
 * Sessions: the sign that somebody is at work (docs/formats/repository.md, "Maintenance"). That a session is
 * alive is a guess by the store's clock; what makes it safe is that revoking and committing put the same
 * name, `points/<id>`.
 */
import { hostname } from 'node:os';
import { withLimit } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import { newId } from '@corral/core/ids';
import { type RepositoryKeys, uuidBytes } from '../crypto/keys.ts';
import { isUnreachable, repositoryErrors } from '../errors.ts';
import { openDocument, sealDocument } from '../format/document.ts';
import { Fields } from '../format/fields.ts';
import { listAll, type ObjectEntry, type ObjectStore } from '../object-store/object-store.ts';

export type SessionPurpose = 'backup' | 'copy' | 'read' | 'maintenance';

export interface SessionContent {
  readonly purpose: SessionPurpose;
  readonly host: string;
  readonly process: number;
  readonly startedAt: string;
  /** The state last read before the session was put. */
  readonly state: number;
  /** Roots that must live as long as the session: id of the root and height of its tree. */
  readonly pins: readonly PinnedRoot[];
}

export interface PinnedRoot {
  readonly root: string;
  readonly height: number;
}

export interface SeenSession {
  readonly id: string;
  /** Null if its newest object is damaged: then it may pin anything, and holds up deletion until it is old. */
  readonly content: SessionContent | null;
  /** By the store's clock. */
  readonly lastSignAt: number;
}

/** How often a session shows a sign of life, and after how long without one it is given up. */
export const signOfLifeMs = 5 * 60e3;
export const deadAfterMs = 30 * 60e3;
/** Whoever was cancelled does not wait long for a store that does not answer. */
const endLimitMs = 10_000;

export class Session {
  readonly id: string;
  readonly #store: ObjectStore;
  readonly #keys: RepositoryKeys;
  readonly #content: SessionContent;
  readonly #keepObjects: boolean;
  #beat = 0;
  #timer: NodeJS.Timeout | undefined;
  #failure: unknown;

  private constructor(
    store: ObjectStore,
    keys: RepositoryKeys,
    content: SessionContent,
    keepObjects: boolean,
    id: string,
  ) {
    this.id = id;
    this.#store = store;
    this.#keys = keys;
    this.#content = content;
    this.#keepObjects = keepObjects;
  }

  /**
   * Puts the session. `keepObjects`: the repository takes no deletes, so signs of life pile up instead. `id`: never used
   * before; whoever records it beforehand can give the session up when its process died (`giveUpSessions`).
   */
  static async begin(
    store: ObjectStore,
    keys: RepositoryKeys,
    what: Pick<SessionContent, 'purpose' | 'state' | 'pins'>,
    keepObjects = false,
    signal?: AbortSignal,
    id = newId(),
  ): Promise<Session> {
    const owner = { host: hostname(), process: process.pid, startedAt: new Date().toISOString() };
    const session = new Session(store, keys, { ...what, ...owner }, keepObjects, id);
    await session.#showLife(signal);
    session.#timer = setInterval(() => void session.#showLifeLater(), signOfLifeMs);
    session.#timer.unref();
    return session;
  }

  get idBytes(): Buffer {
    return uuidBytes(this.id);
  }

  /** @throws what the last sign of life failed with, if it did: the session may be given up by now */
  throwIfLost(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Ends the session: nothing of it may be put after this. That the store takes no deletes just now is no error: what the
   * session did is done, and the next prune removes what is left of it.
   */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#keepObjects) return;
    try {
      await withLimit(`Ending session ${this.id}`, endLimitMs, undefined, async (signal) => {
        for (const { name } of await listAll(this.#store, `sessions/${this.id}/`, signal))
          await this.#store.delete(name, signal);
      });
    } catch (cause) {
      if (!isUnreachable(cause) && !isCorralError(cause, 'core.timeout')) throw cause;
    }
  }

  async #showLife(signal?: AbortSignal): Promise<void> {
    this.#beat += 1;
    const name = beatName(this.id, this.#beat);
    const bytes = sealDocument(this.#keys, name, this.idBytes, this.#content);
    if ((await this.#store.put(name, bytes, { signal })) !== 'stored') {
      throw repositoryErrors.revoked({ session: this.id });
    }
    if (this.#beat > 1 && !this.#keepObjects)
      await this.#store.delete(beatName(this.id, this.#beat - 1), signal);
  }

  async #showLifeLater(): Promise<void> {
    try {
      await this.#showLife();
      this.#failure = undefined;
    } catch (cause) {
      // Kept for `throwIfLost`; the next beat tries again, and a revoked session fails at its commit in any case.
      this.#failure = cause;
    }
  }
}

function beatName(id: string, beat: number): string {
  return `sessions/${id}/${String(beat).padStart(8, '0')}`;
}

/** The sessions that have objects in the store, whether alive or not. */
export async function listSessions(
  store: ObjectStore,
  keys: RepositoryKeys,
  signal?: AbortSignal,
): Promise<SeenSession[]> {
  const newest = new Map<string, ObjectEntry>();
  for await (const entry of store.list('sessions/', signal)) {
    const id = entry.name.split('/')[1]!;
    if ((newest.get(id)?.name ?? '') < entry.name) newest.set(id, entry);
  }
  const seen: SeenSession[] = [];
  for (const [id, entry] of newest) {
    const session = await readNewest(store, keys, id, entry, signal);
    if (session) seen.push(session);
  }
  return seen;
}

/** A beat may be replaced while it is read: then the next one is there, unless the session ended. */
async function readNewest(
  store: ObjectStore,
  keys: RepositoryKeys,
  id: string,
  entry: ObjectEntry,
  signal?: AbortSignal,
): Promise<SeenSession | undefined> {
  let newest: ObjectEntry | undefined = entry;
  while (newest) {
    const content = await readSession(store, keys, newest.name, signal);
    if (content !== 'gone') return { id, content, lastSignAt: newest.modifiedAt };
    const beats = await listAll(store, `sessions/${id}/`, signal);
    newest = beats.sort((a, b) => (a.name < b.name ? -1 : 1)).at(-1);
  }
  return undefined;
}

async function readSession(
  store: ObjectStore,
  keys: RepositoryKeys,
  name: string,
  signal?: AbortSignal,
): Promise<SessionContent | null | 'gone'> {
  try {
    return parseSession(name, openDocument(keys, name, await store.read(name, undefined, signal)));
  } catch (cause) {
    if (!(cause instanceof Error) || !('code' in cause)) throw cause;
    if (cause.code === repositoryErrors['object-missing'].code) return 'gone';
    if (cause.code === repositoryErrors['object-damaged'].code) return null;
    throw cause;
  }
}

export function parseSession(name: string, value: Record<string, unknown>): SessionContent {
  const fields = new Fields(name, value);
  return {
    purpose: fields.text('purpose', /^(backup|copy|read|maintenance)$/) as SessionPurpose,
    host: fields.text('host'),
    process: fields.count('process'),
    startedAt: fields.text('startedAt'),
    state: fields.count('state'),
    pins: fields.list('pins', (pin) => ({
      root: pin.text('root', /^[0-9a-f]{64}$/),
      height: pin.count('height', 8),
    })),
  };
}
