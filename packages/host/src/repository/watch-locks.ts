/**
 * Renews the store's own retention of what locked backups need, once a day. Deduplication lets a new backup rest on old
 * packs, whose retention in the store (ten days longer than the lock they were made under) would end before its lock does.
 */
import { extendLocks } from '@corral/backup/retention/extend-locks';
import { delay } from '@corral/core/abort';
import type { Logger } from '../logger.ts';
import { type RepositoryHost, repositorySubject } from './repository-host.ts';

const dayMs = 86_400e3;
/** A daemon that is restarted each day gets to it all the same. */
const firstAfterMs = 600e3;

/** Until the signal aborts; rejects with its reason. */
export async function watchLocks(host: RepositoryHost, log: Logger, signal: AbortSignal): Promise<never> {
  for (let waitMs = firstAfterMs; ; waitMs = dayMs) {
    await delay(waitMs, signal);
    await renewLocks(host, log, signal);
  }
}

/** Each repository by itself: one that cannot be reached holds up no other, and raises an event. */
export async function renewLocks(host: RepositoryHost, log: Logger, signal: AbortSignal): Promise<void> {
  for (const record of await host.connections.records.list()) {
    if (record.place.kind === 'directory' || !record.place.storeLocks) continue;
    try {
      await using repository = await host.connections.open(record.id, signal);
      await extendLocks(repository.context, signal);
    } catch (cause) {
      signal.throwIfAborted();
      log.warn({ err: cause, repository: record.name }, 'the locks in the store could not be renewed');
      const reason = cause instanceof Error ? cause.message : String(cause);
      await host.emit('repository.locks-not-renewed', repositorySubject(record), { reason });
    }
  }
}
