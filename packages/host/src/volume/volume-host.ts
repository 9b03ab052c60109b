/** What the operations on volumes work with. */

import type { EmitEvent } from '../vm/vm-events.ts';
import type { VmRecords } from '../vm/vm-record.ts';
import { volumeErrors } from './errors.ts';
import { isBelow } from './placement.ts';
import { type FilesOfVm, usersOf, type VolumeUser } from './usage.ts';
import type { VolumeRecord } from './volume-record.ts';
import type { Volumes } from './volumes.ts';

export interface VolumeHost {
  readonly volumes: Volumes;
  readonly vms: VmRecords;
  readonly emit: EmitEvent;
  readonly filesOf: FilesOfVm;
}

export function volumeSubject({ id, name }: Pick<VolumeRecord, 'id' | 'name'>) {
  return { kind: 'volume', id, name } as const;
}

export async function volumeUsers(host: VolumeHost, volume: VolumeRecord): Promise<VolumeUser[]> {
  const { records, directory } = host.volumes;
  return usersOf(volume, await records.list(), directory, await host.vms.list(), host.filesOf);
}

/** @throws volume.in-use, which names who */
export async function requireUnused(host: VolumeHost, volume: VolumeRecord): Promise<void> {
  const users = await volumeUsers(host, volume);
  if (users.length === 0) return;
  throw volumeErrors['in-use']({ volume: volume.name, users: users.map(({ name }) => `VM ${name}`) });
}

/** @throws volume.running, which names who */
export async function requireNoneRuns(host: VolumeHost, volume: VolumeRecord): Promise<void> {
  const vms = (await volumeUsers(host, volume)).filter(({ running }) => running).map(({ name }) => name);
  if (vms.length > 0) throw volumeErrors.running({ volume: volume.name, vms });
}

/** @throws volume.local */
export function refuseLocal(volume: VolumeRecord, action: string): void {
  if (volume.local) throw volumeErrors.local({ action });
}

/**
 * Where Corral keeps files of its own no volume may be, and at one root only one.
 *
 * @throws volume.bad-root, volume.exists
 */
export async function requireFreePlace(
  host: VolumeHost,
  name: string,
  root: string,
): Promise<VolumeRecord | null> {
  const volumes = await host.volumes.records.list();
  const named = volumes.find((volume) => volume.name === name);
  if (named?.root === root) return named;
  if (named) throw volumeErrors.exists({ name, path: named.root });
  const there = volumes.find((volume) => volume.root === root);
  if (there) throw volumeErrors.exists({ name: there.name, path: root });
  const own = volumes.flatMap((volume) =>
    (volume.local ? ['corral', 'vms', 'images', 'run', 'tls'] : ['corral']).map(
      (folder) => `${volume.root}/${folder}`,
    ),
  );
  const inside = own.find((folder) => isBelow(folder, root));
  if (inside === undefined) return null;
  throw volumeErrors['bad-root']({
    path: root,
    reason: `it lies in ${inside}, where Corral keeps its own files.`,
  });
}
