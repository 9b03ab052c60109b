import { defineErrors, error } from '@corral/core/errors';

export const trackingErrors = defineErrors('tracking', {
  'extents-damaged': error<{ path: string; reason: string }>(
    500,
    'A record of changes is damaged',
    (p) =>
      `${p.path}, which lists what changed between two states of a disk, cannot be used: ${p.reason}. Nothing of the disk is lost; what changed since older reference points is not known any more. Make a new reference point; a backup reads the whole disk once.`,
  ),
  'no-path': error<{ vm: string; disk: string; reference: string }>(
    409,
    'What changed is not known',
    (p) =>
      `Disk "${p.disk}" of VM "${p.vm}" was put in place anew since reference point "${p.reference}": what changed is the whole disk. Make a new reference point.`,
  ),
  'reference-not-found': error<{ vm: string; reference: string }>(
    404,
    'No such reference point',
    (p) =>
      `VM "${p.vm}" has no reference point "${p.reference}". "corral reference list ${p.vm}" shows those it has.`,
  ),
  'reference-exists': error<{ vm: string; reference: string }>(
    409,
    'The reference point exists',
    (p) => `VM "${p.vm}" has a reference point "${p.reference}" already. Choose another name.`,
  ),
  'changes-not-found': error<{ vm: string; id: string }>(
    404,
    'No such changes',
    (p) => `Nobody reads changes "${p.id}" of VM "${p.vm}"; they may have expired. Ask for them again.`,
  ),
  'not-tracked': error<{ vm: string; disk: string; reference: string }>(
    409,
    'The disk is not in the reference point',
    (p) =>
      `Reference point "${p.reference}" of VM "${p.vm}" does not know disk "${p.disk}": it was added later, or is a device of the host. Make a new reference point.`,
  ),
  'disk-removed': error<{ vm: string; disk: string }>(
    409,
    'A disk was removed meanwhile',
    (p) => `Disk "${p.disk}" of VM "${p.vm}" was removed while it was being exported. Export the VM again.`,
  ),
  pinned: error<{ vm: string; readers: readonly string[] }>(
    409,
    'The VM is being read',
    (p) =>
      `The disks of VM "${p.vm}" must stay as they are while they are read by ${p.readers.join(', ')}. Wait for it, cancel its operation, or close it ("corral changes close").`,
  ),
  'being-restored': error<{ vm: string; disk: string }>(
    409,
    'The VM is still being restored',
    (p) =>
      `Disk "${p.disk}" of VM "${p.vm}" still stands on the backup from which it is being restored. Try again when its restore has ended.`,
  ),
});
