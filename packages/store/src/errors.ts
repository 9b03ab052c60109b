import { defineErrors, error } from '@corral/core/errors';

export const storeErrors = defineErrors('store', {
  'bad-request': error<{ what: string }>(
    500,
    'The store was asked for something impossible',
    (p) => `The store cannot do this: ${p.what}. This is a defect of Corral; please report it.`,
  ),
  closed: error(
    503,
    'The store is closed',
    () => 'The store is closed because the daemon is stopping. Try again once it is up.',
  ),
  'unknown-outcome': error<{ what: string }>(
    503,
    'A change may or may not have been stored',
    (p) => `Whether ${p.what} was stored is not known: the answer was lost. Read again before you repeat it.`,
  ),
  unavailable: error<{ store: string; what: string }>(
    503,
    'The store cannot be reached',
    (p) =>
      `${p.what} failed: the store at ${p.store} does not answer. Check that it runs, that it has a majority of its members, and the network to it.`,
  ),
  refused: error<{ store: string; what: string; detail: string }>(
    502,
    'The store refuses',
    (p) =>
      `${p.what} failed: the store at ${p.store} refuses it (${p.detail}). Check that the client certificate is valid and that its user may read and write.`,
  ),
  quota: error<{ store: string }>(
    507,
    'The store has reached its quota',
    (p) =>
      `The store at ${p.store} has reached its space quota; nothing was stored. Compact and defragment etcd, then disarm its alarm (etcdctl alarm disarm).`,
  ),
  compacted: error<{ prefix: string; afterRevision: number; compactedRevision: number }>(
    410,
    'The history is gone',
    (p) =>
      `Changes of "${p.prefix}" after revision ${p.afterRevision} are no longer kept (history begins at ${p.compactedRevision}). Read the present state and follow from its revision.`,
  ),
  'future-revision': error<{ revision: number; present: number }>(
    410,
    'The store is older than expected',
    (p) =>
      `Revision ${p.revision} lies ahead of the store, which is at ${p.present}: it was put back to an older state. Read the present state and follow from its revision.`,
  ),
  'lease-gone': error<{ leaseId: string }>(
    410,
    'The lease has ended',
    (p) => `Lease ${p.leaseId} has ended, and its keys with it. Take a new lease.`,
  ),
  damaged: error<{ file: string; detail: string }>(
    500,
    'The store file is damaged',
    (p) =>
      `The store file ${p.file} is damaged (${p.detail}). Stop the daemon, move the file and those beside it with "-wal" and "-shm" away, and put back a copy; the virtual machines can also be registered again from their own settings files.`,
  ),
  foreign: error<{ file: string }>(
    500,
    'Not a store file',
    (p) =>
      `${p.file} is a database, but not a store of Corral. Choose another data directory or move the file away.`,
  ),
  'newer-version': error<{ file: string; found: number; known: number }>(
    500,
    'The store file is from a newer version',
    (p) =>
      `The store file ${p.file} has format ${p.found}; this version of Corral knows formats up to ${p.known}. Start the newer version again, or put back the copy from before the upgrade.`,
  ),
  'in-use': error<{ file: string; holder: string }>(
    409,
    'The data directory is in use',
    (p) =>
      `The store file ${p.file} is in use by ${p.holder}. One data directory serves one daemon: stop the other one, or start this one with another --data directory.`,
  ),
  full: error<{ file: string }>(
    507,
    'No space for the store',
    (p) =>
      `The store file ${p.file} cannot grow: its file system is full. Free some space; nothing was stored.`,
  ),
  'input-output': error<{ file: string; detail: string }>(
    500,
    'The store file cannot be read or written',
    (p) =>
      `Reading or writing the store file ${p.file} failed (${p.detail}). Check the disk below it and the file's rights.`,
  ),
  conflict: error<{ what: string; key: string }>(
    412,
    'Changed meanwhile',
    (p) =>
      `The ${p.what} "${p.key}" was changed by somebody else meanwhile. Read it again and repeat the change.`,
  ),
  'not-found': error<{ what: string; key: string }>(
    404,
    'Not found',
    (p) => `There is no ${p.what} "${p.key}". List what there is, or check the name.`,
  ),
  exists: error<{ what: string; key: string }>(
    409,
    'Exists already',
    (p) => `There is a ${p.what} "${p.key}" already. Choose another name or change the existing one.`,
  ),
  'bad-document': error<{ what: string; key: string; detail: string }>(
    500,
    'A stored document does not fit its form',
    (p) =>
      `The stored ${p.what} "${p.key}" does not have the expected form (${p.detail}). It was written by another version or changed by hand; put back a copy of the store or delete the entry.`,
  ),
});
