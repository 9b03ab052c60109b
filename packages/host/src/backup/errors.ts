import { defineErrors, error } from '@corral/core/errors';

export const backupErrors = defineErrors('backup', {
  'pass-through': error<{ vm: string; disk: string }>(
    409,
    'A disk cannot be backed up',
    (p) =>
      `Disk "${p.disk}" of VM "${p.vm}" is a device of the host: it cannot be held still while it is read. Copy its content to a disk of Corral's, or detach it and back it up from inside its guest.`,
  ),
  mismatch: error<{ vm: string; disk: string; offset: number; length: number }>(
    500,
    'A backup does not match its disk',
    (p) =>
      `VM "${p.vm}", disk "${p.disk}": ${p.length} bytes at ${p.offset} differ from the backup before although nothing had marked them as changed.`,
  ),
  'not-found': error<{ backup: string; repository: string }>(
    404,
    'No such backup',
    (p) =>
      `Repository "${p.repository}" holds no backup "${p.backup}". "corral backup list" shows those it holds.`,
  ),
  'not-found-anywhere': error<{ backup: string }>(
    404,
    'No such backup',
    (p) =>
      `No repository that this host is connected to holds a backup "${p.backup}". "corral backup list" shows them.`,
  ),
  'plan-not-found': error<{ plan: string }>(
    404,
    'No such backup plan',
    (p) => `There is no backup plan "${p.plan}". "corral backup plan list" shows those there are.`,
  ),
  'plan-exists': error<{ plan: string }>(
    409,
    'The backup plan exists',
    (p) => `There is a backup plan "${p.plan}" already. Choose another name.`,
  ),
});
