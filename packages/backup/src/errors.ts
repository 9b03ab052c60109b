/** Errors of the backup repository. What damages or forges data has a code of its own; nothing is repaired in passing. */
import { type CorralError, defineErrors, error, isCorralError } from '@corral/core/errors';

export const repositoryErrors = defineErrors('repository', {
  'not-found': error<{ place: string }>(
    404,
    'No repository there',
    (p) =>
      `${p.place} holds no repository. If it lies on a file system of its own, see that this is mounted; else check the place, or create one there.`,
  ),
  exists: error<{ place: string }>(
    409,
    'A repository is there already',
    (p) => `${p.place} holds a repository already. Connect to it, or choose another place.`,
  ),
  'not-empty': error<{ place: string }>(
    409,
    'The place is not empty',
    (p) => `${p.place} holds something other than a repository. Choose an empty place.`,
  ),
  version: error<{ place: string; version: number }>(
    409,
    'Unknown format version',
    (p) =>
      `The repository in ${p.place} has format version ${p.version}; this Corral reads version 1. Update Corral.`,
  ),
  'object-missing': error<{ name: string }>(
    404,
    'An object of the repository is missing',
    (p) => `Object ${p.name} is not in the repository. Run a check to learn which backups it harms.`,
  ),
  'object-damaged': error<{ name: string; reason: string }>(
    500,
    'An object of the repository is damaged',
    (p) => `Object ${p.name} is damaged: ${p.reason}. Run a check with --read-data, then repair.`,
  ),
  'blob-missing': error<{ id: string }>(
    500,
    'Data is missing from the repository',
    (p) => `No pack holds blob ${p.id}. Run a check to learn which backups it harms, then repair.`,
  ),
  'foreign-name': error<{ name: string }>(
    400,
    'Not a name of the repository',
    (p) => `"${p.name}" is not the name of a repository object.`,
  ),
  'wrong-key': error<{ place: string }>(
    403,
    'The key does not fit',
    (p) =>
      `No key of the repository in ${p.place} opens with what was given. Check the passphrase or the key file.`,
  ),
  'key-needed': error<{ place: string }>(
    403,
    'The repository is encrypted',
    (p) => `The repository in ${p.place} is encrypted. Give its passphrase or key file.`,
  ),
  'not-encrypted': error<{ place: string }>(
    409,
    'The repository is not encrypted',
    (p) =>
      `A key was given, but the repository in ${p.place} says that it is not encrypted. If it should be, somebody replaced it; else leave out the key.`,
  ),
  'last-key': error<{ key: string }>(
    409,
    'The last key stays',
    (p) =>
      `Key ${p.key} is the only one; without it nobody could read the repository. Add another one first.`,
  ),
  'key-not-found': error<{ key: string }>(404, 'No such key', (p) => `The repository has no key ${p.key}.`),
  'weak-key': error<{ reason: string }>(
    400,
    'The key is too weak',
    (p) => `The key is too weak: ${p.reason}.`,
  ),
  'point-not-found': error<{ point: string }>(
    404,
    'No such backup',
    (p) => `The repository holds no backup ${p.point}. List the backups to find its id.`,
  ),
  'stream-not-found': error<{ point: string; name: string }>(
    404,
    'No such disk in the backup',
    (p) => `Backup ${p.point} holds no disk or document named "${p.name}".`,
  ),
  locked: error<{ point: string; until: string }>(
    409,
    'The backup is locked',
    (p) => `Backup ${p.point} is locked until ${p.until}. Nobody can delete it earlier.`,
  ),
  'append-only': error<{ place: string }>(
    409,
    'The repository only takes additions',
    (p) => `The repository in ${p.place} is append-only; nothing in it can be deleted.`,
  ),
  'lock-shorter': error<{ asked: string; current: string }>(
    409,
    'A retention lock cannot be shortened',
    (p) => `The lock stands at ${p.current}; ${p.asked} would shorten it. Locks can only be extended.`,
  ),
  'state-damaged': error<{ place: string }>(
    500,
    'The state of the repository is damaged',
    (p) =>
      `The newest state of the repository in ${p.place} cannot be read. Backups can be restored; repair it before it takes new ones.`,
  ),
  revoked: error<{ session: string }>(
    409,
    'The backup was given up by another host',
    (p) =>
      `Session ${p.session} gave no sign of life for so long that another host revoked it. Nothing is lost; run the backup again.`,
  ),
  busy: error<{ what: string; attempts: number }>(
    503,
    'Other maintenance is at work',
    (p) => `${p.what} met other maintenance of the repository ${p.attempts} times. Try again later.`,
  ),
  range: error<{ name: string; reason: string }>(
    400,
    'Outside the disk',
    (p) => `Disk "${p.name}": ${p.reason}.`,
  ),
  'base-mismatch': error<{ name: string; reason: string }>(
    409,
    'The base does not fit',
    (p) => `Disk "${p.name}" cannot build on its base: ${p.reason}. Run a full backup of it.`,
  ),
  'closed-writer': error<{ point: string }>(
    409,
    'The backup is closed',
    (p) => `Backup ${p.point} is sealed or given up; it takes no more data.`,
  ),
  'verify-failed': error<{ what: string }>(
    500,
    'What was made does not read back',
    (p) =>
      `${p.what} did not read back as it went in; nothing of it was stored. Test this machine's memory and processor.`,
  ),
  store: error<{ place: string; action: string; reason: string }>(
    502,
    'The object store failed',
    (p) => `${p.place}: ${p.action} failed: ${p.reason}.`,
  ),
  'place-changed': error<{ place: string }>(
    502,
    'The repository is gone from its place',
    (p) =>
      `The repository that was opened in ${p.place} does not lie there any more; nothing was written to what stands there now. Mount its file system again, or bring it back, and begin anew.`,
  ),
  'unsupported-name': error<{ place: string; reason: string }>(
    400,
    'Not a place for a repository',
    (p) => `${p.place} cannot hold a repository: ${p.reason}.`,
  ),
  'worker-failed': error<{ reason: string }>(
    500,
    'A worker ended unexpectedly',
    (p) => `A worker thread of the repository ended unexpectedly: ${p.reason}. Run the operation again.`,
  ),
});

const lossCodes: readonly string[] = ['object-damaged', 'object-missing', 'blob-missing'].map(
  (key) => `repository.${key}`,
);

/** Whether an error says that the store cannot be reached just now, and nothing of what it holds. */
export function isUnreachable(cause: unknown): cause is CorralError {
  return (
    isCorralError(cause, repositoryErrors.store.code) ||
    isCorralError(cause, repositoryErrors['place-changed'].code)
  );
}

/** Whether an error says that data is lost or moved, and not that the store cannot be reached. */
export function isLoss(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && lossCodes.includes(String(cause.code));
}
