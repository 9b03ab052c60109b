import { defineErrors, error } from '@corral/core/errors';
import { formatSize } from '@corral/core/units';

export const volumeErrors = defineErrors('volume', {
  'not-found': error<{ volume: string }>(
    404,
    'No such volume',
    (p) => `There is no volume "${p.volume}" on this host. "corral volume list" shows those that are.`,
  ),
  exists: error<{ name: string; path: string }>(
    409,
    'The volume exists',
    (p) => `A volume "${p.name}" exists already, at ${p.path}. Choose another name, or remove that one.`,
  ),
  'bad-root': error<{ path: string; reason: string }>(
    400,
    'Not a place for a volume',
    (p) => `${p.path} cannot be a volume: ${p.reason}`,
  ),
  foreign: error<{ volume: string; path: string; owner: string; ownerId: string; since: string }>(
    409,
    'The volume belongs to another host',
    (p) =>
      `Volume "${p.volume}" at ${p.path} belongs to host "${p.owner}" (id ${p.ownerId}) since ${p.since}. Release it there ("corral volume release ${p.volume}"); only if that host is gone for good, or runs no VM from it, take it with "corral volume seize ${p.volume} ${p.path} --yes".`,
  ),
  released: error<{ volume: string; path: string }>(
    409,
    'The volume was released',
    (p) =>
      `Volume "${p.volume}" was released and belongs to no host. Take it again with "corral volume add ${p.volume} ${p.path}".`,
  ),
  unavailable: error<{ volume: string; path: string }>(
    409,
    'The volume is not there',
    (p) =>
      `Volume "${p.volume}" is not at ${p.path}: its owner file, or the folder itself, is missing. Mount it there and try again.`,
  ),
  replaced: error<{ volume: string; path: string; found: string }>(
    409,
    'Another volume lies there',
    (p) =>
      `At ${p.path}, where volume "${p.volume}" should be, lies the volume with the id ${p.found}. Mount the right one.`,
  ),
  'owner-file': error<{ path: string; reason: string }>(
    500,
    'The owner file cannot be read',
    (p) =>
      `The owner file ${p.path} cannot be read: ${p.reason}. Find out whose volume it is before you remove the file.`,
  ),
  changed: error<{ path: string }>(
    409,
    'The owner changed meanwhile',
    (p) => `Another host changed the owner of ${p.path} at the same time. Look at it, and try again.`,
  ),
  local: error<{ action: string }>(
    409,
    'Not with the local volume',
    (p) => `The volume "local" is the data directory of this host: it cannot be ${p.action}.`,
  ),
  'in-use': error<{ volume: string; users: readonly string[] }>(
    409,
    'The volume is in use',
    (p) => `Volume "${p.volume}" is used by ${p.users.join(', ')}. Delete or move them first.`,
  ),
  running: error<{ volume: string; vms: readonly string[] }>(
    409,
    'VMs run from the volume',
    (p) => `These VMs run from volume "${p.volume}": ${p.vms.join(', ')}. Shut them down first.`,
  ),
  'below-reserve': error<{
    volume: string;
    what: string;
    neededBytes: number;
    freeBytes: number;
    reserveBytes: number;
  }>(
    507,
    'The reserve of the volume would be used up',
    (p) =>
      `${p.what} needs ${formatSize(p.neededBytes)} on volume "${p.volume}", which has ${formatSize(p.freeBytes)} free and keeps a reserve of ${formatSize(p.reserveBytes)}. Free some space, choose another volume, or lower the reserve with "corral volume set ${p.volume} --reserve SIZE".`,
  ),
});
