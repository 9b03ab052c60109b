import { defineErrors, error } from '@corral/core/errors';

export const restoreErrors = defineErrors('restore', {
  'no-settings': error<{ backup: string; reason: string }>(
    409,
    'The backup holds no usable settings',
    (p) =>
      `Backup "${p.backup}" holds no settings of a VM that this Corral can read: ${p.reason}. Its disks can be restored with "--to-directory".`,
  ),
  'no-such-disk': error<{ backup: string; disk: string; disks: readonly string[] }>(
    404,
    'No such disk in the backup',
    (p) => `Backup "${p.backup}" holds no disk "${p.disk}". It holds: ${p.disks.join(', ') || 'none'}.`,
  ),
  'not-confirmed': error<{ vm: string }>(
    409,
    'Not confirmed',
    (p) =>
      `What VM "${p.vm}" holds now would be lost. Send its name in "confirm" to replace its disks by those of the backup.`,
  ),
  'other-vm': error<{ backup: string; vm: string }>(
    409,
    'The VM is gone',
    (p) =>
      `VM "${p.vm}", which backup "${p.backup}" is of, is not on this host. Restore the backup as a new VM.`,
  ),
  'not-served': error<{ vm: string; lastWords: string }>(
    502,
    'The backup cannot be read',
    (p) =>
      `VM "${p.vm}" still stands on its backup, which could not be opened: ${p.lastWords || 'nothing was said why'}. Make its repository reachable and try again.`,
  ),
  'cannot-look': error<{ disk: string; path: string; reason: string }>(
    409,
    'The file cannot be read from the backup',
    (p) => `${p.disk}:${p.path} cannot be read: ${p.reason}.`,
  ),
  exists: error<{ path: string }>(
    409,
    'The file exists',
    (p) => `"${p.path}" exists already. Choose another directory, or move it away.`,
  ),
});
