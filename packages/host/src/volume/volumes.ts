/**
 * The volumes of this host, for all that reads or writes on them: which one a path is on, whether this host may write
 * there, and whether there is room. Whoever is about to make, copy or merge something asks `requireSpace` first.
 */

import type { VmSettings } from '@corral/api/schemas/vm-settings';
import type { VolumeState } from '@corral/api/schemas/volume';
import { withLimit } from '@corral/core/abort';
import { type CorralError, isCorralError } from '@corral/core/errors';
import { newId } from '@corral/core/ids';
import type { DataDirectory } from '../data-directory.ts';
import { makeDisksFolder } from './disks-folder.ts';
import { volumeErrors } from './errors.ts';
import type { Owner, OwnerFile } from './owner-file.ts';
import { diskPlaces, disksFolder, linkedHome, realPlace, volumeOf } from './placement.ts';
import { leavesReserve, reserveOf } from './space-rules.ts';
import type { VolumeDriver } from './volume-driver.ts';
import { localName, type VolumeRecord, type VolumeRecords } from './volume-record.ts';

export interface VolumesOptions {
  readonly records: VolumeRecords;
  readonly directory: DataDirectory;
  readonly driver: VolumeDriver;
  /** This host, as owner files name it. */
  readonly self: { readonly id: string; readonly name: string };
  /** Where VMs have users of their own, which must be able to walk to their disks. */
  readonly separateUsers: boolean;
}

/** Whose a volume is, as its owner file says now. */
export interface Standing {
  readonly state: VolumeState;
  readonly file: OwnerFile | null;
  /** Why this host may not write there; null when it may. */
  readonly problem: CorralError | null;
}

/** A mount that hangs must not hang whoever asks. */
const lookLimitMs = 10_000;

export class Volumes {
  readonly records: VolumeRecords;
  readonly driver: VolumeDriver;
  readonly directory: DataDirectory;
  readonly self: VolumesOptions['self'];
  readonly separateUsers: boolean;

  constructor(options: VolumesOptions) {
    this.records = options.records;
    this.driver = options.driver;
    this.directory = options.directory;
    this.self = options.self;
    this.separateUsers = options.separateUsers;
  }

  /** This host as the owner of something from now on. */
  newOwner(): Owner {
    return { kind: 'host', ...this.self, since: new Date().toISOString() };
  }

  /** Makes the data directory the volume `local`. One that another host has taken meanwhile stays theirs. */
  async prepareLocal(): Promise<void> {
    const { root } = this.directory;
    const known = await this.records.find(localName);
    const present = await this.driver.readOwner(root);
    const file = present ?? {
      format: 'corral-volume/1',
      id: known?.id ?? newId(),
      createdAt: known?.createdAt ?? new Date().toISOString(),
      generation: 1,
      owner: this.newOwner(),
    };
    if (!present) await this.driver.writeOwner(root, file, null, this.self.id);
    await makeDisksFolder(root);
    if (known?.root === root && known.id === file.id) return;
    if (known) await this.records.delete(known.id);
    await this.records.put({
      id: file.id,
      name: localName,
      createdAt: file.createdAt,
      kind: this.driver.kind,
      root,
      local: true,
      ...(await this.driver.probe(root, this.self.id)),
      reserveBytes: known?.reserveBytes ?? null,
      told: { lost: false, belowReserve: false },
    });
  }

  /** The volume that a path is on, whether it is mounted or not; null for a path outside of all. */
  async of(path: string): Promise<VolumeRecord | null> {
    return volumeOf(await this.records.list(), await realPlace(this.directory, path));
  }

  async standing(record: VolumeRecord): Promise<Standing> {
    const { name: volume, root: path } = record;
    let file: OwnerFile | null;
    try {
      file = await withLimit(`Looking at volume "${volume}"`, lookLimitMs, undefined, () =>
        this.driver.readOwner(path),
      );
    } catch (cause) {
      if (!isCorralError(cause)) throw cause;
      return { state: 'missing', file: null, problem: cause };
    }
    if (!file) return { state: 'missing', file, problem: volumeErrors.unavailable({ volume, path }) };
    if (file.id !== record.id) {
      return { state: 'missing', file, problem: volumeErrors.replaced({ volume, path, found: file.id }) };
    }
    if (!file.owner) return { state: 'released', file, problem: volumeErrors.released({ volume, path }) };
    if (file.owner.id === this.self.id) return { state: 'held', file, problem: null };
    return { state: 'foreign', file, problem: foreign(volume, path, file.owner) };
  }

  /** @throws volume.unavailable, volume.replaced, volume.released, volume.foreign, volume.owner-file */
  async requireHeld(record: VolumeRecord): Promise<void> {
    const { problem } = await this.standing(record);
    if (problem) throw problem;
  }

  /** Before anything is written for a VM: its home and all its disks must be on volumes of this host. */
  async requireVm(vm: Pick<VmSettings, 'id' | 'disks'>): Promise<void> {
    for (const volume of await this.under(vm)) await this.requireHeld(volume);
  }

  /** The volumes that hold a part of a VM: its home, its disks and the layers below them. */
  async under(vm: Pick<VmSettings, 'id' | 'disks'>): Promise<VolumeRecord[]> {
    const records = await this.records.list();
    const { folder } = this.directory.vm(vm.id);
    const places = await diskPlaces(this.directory, vm);
    const paths = [await realPlace(this.directory, folder), ...places.map(({ path }) => path)];
    const found = paths.map((path) => volumeOf(records, path));
    return [...new Set(found.filter((volume) => volume !== null))];
  }

  /** The volume that a VM is at home on. */
  async home(vmId: string): Promise<VolumeRecord | null> {
    return this.of(this.directory.vm(vmId).folder);
  }

  /** A volume to make something on, by its name or id. @throws volume.not-found, and as `requireHeld` */
  async target(nameOrId: string): Promise<VolumeRecord> {
    const record = await this.records.get(nameOrId);
    await this.requireHeld(record);
    return record;
  }

  /**
   * Refuses work that would leave less than the reserve, before it begins. A path outside of all volumes (a folder of
   * the administrator's) has no reserve.
   *
   * @param path where it will be written; need not exist
   * @param neededBytes that the work may take at most
   * @param what the work, for the error: `The copy of disk root`
   * @throws volume.below-reserve; volume.unavailable and the like when this host may not write there
   */
  async requireSpace(path: string, neededBytes: number, what: string): Promise<void> {
    const volume = await this.of(path);
    if (!volume) return;
    await this.requireHeld(volume);
    const space = await this.driver.space(volume.root);
    const reserveBytes = reserveOf(volume.reserveBytes, space.totalBytes);
    if (leavesReserve(space, neededBytes, reserveBytes)) return;
    const { freeBytes } = space;
    throw volumeErrors['below-reserve']({ volume: volume.name, what, neededBytes, freeBytes, reserveBytes });
  }

  /** Whether a copy from one path to the other takes no space: both on one file system that shares blocks. */
  async sharesBlocks(source: string, target: string): Promise<boolean> {
    const [from, to] = [await this.of(source), await this.of(target)];
    return from !== null && from.id === to?.id && from.capabilities.reflink;
  }

  /** Folders of a VM on all volumes that this host may write to; its place in the data directory aside. */
  async foldersOf(vmId: string): Promise<string[]> {
    const folders: string[] = [];
    for (const volume of await this.records.list()) {
      if ((await this.standing(volume)).state !== 'held') continue;
      folders.push(`${disksFolder(volume)}/${vmId}`);
    }
    return folders;
  }

  /** Whether this host may change what lies there: outside of all volumes it is the administrator's folder. */
  async mayWriteTo(path: string): Promise<boolean> {
    const volume = volumeOf(await this.records.list(), path);
    return volume === null || (await this.standing(volume)).state === 'held';
  }

  /** The folder of a VM that is not at home in the data directory. */
  linkedHome(vmId: string): Promise<string | null> {
    return linkedHome(this.directory, vmId);
  }
}

export function foreign(volume: string, path: string, owner: Owner): CorralError {
  const { id: ownerId, name, since } = owner;
  return volumeErrors.foreign({ volume, path, owner: name, ownerId, since });
}
