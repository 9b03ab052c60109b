/** What a backup becomes: a new VM, or an old one as it was. Pure: ids, addresses and the time come in. */
import type { DiskSettings, VmSettings } from '@corral/api/schemas/vm-settings';
import type { PlanFacts } from '../vm/plan-vm.ts';

export interface SavedDisk {
  readonly name: string;
  readonly sizeBytes: number;
}

export interface NewVmWish {
  readonly name: string;
  /** False only where no VM of this host has the old id. */
  readonly newId: boolean;
}

type Facts = Pick<PlanFacts, 'newId' | 'newMac' | 'now'>;

/**
 * A VM made of what was backed up. With an id of its own it is another machine: nothing that identifies the first may
 * be seen twice. With the old id it is the machine that was lost; only its generation id tells the guest that time went
 * another way.
 */
export function newVmSettings(
  saved: VmSettings,
  disks: readonly SavedDisk[],
  { name, newId: another }: NewVmWish,
  facts: Facts,
): VmSettings {
  const kept = restoredDisks(saved, disks, facts, (disk) => `disks/${disk.name}.${disk.format}`);
  return {
    ...machine(saved, kept),
    id: another ? facts.newId() : saved.id,
    name,
    createdAt: facts.now,
    generation: another ? 1 : saved.generation + 1,
    generationId: facts.newId(),
    autostart: another ? null : saved.autostart,
    disks: another ? kept.map((disk) => ({ ...disk, id: facts.newId() })) : kept,
    ports: another
      ? saved.ports.map((port) => ({ ...port, id: facts.newId(), mac: facts.newMac() }))
      : saved.ports,
  };
}

/** The present VM as it was backed up. How people and the host call and treat it is no part of the machine. */
export function inPlaceSettings(
  present: VmSettings,
  saved: VmSettings,
  disks: readonly SavedDisk[],
  facts: Pick<Facts, 'newId'>,
): VmSettings {
  const { id, name, createdAt, autostart, autostop } = present;
  const kept = restoredDisks(saved, disks, facts, (disk, layerId) => {
    const old = present.disks.find((each) => each.id === disk.id && !each.passThrough);
    // Beside the file that it replaces, on whichever volume that is.
    const folder = old ? old.path.slice(0, old.path.lastIndexOf('/') + 1) : 'disks/';
    return `${folder}${disk.name}.${layerId}.${disk.format}`;
  });
  return {
    ...machine(saved, kept),
    ...{ id, name, createdAt, autostart, autostop },
    generation: present.generation + 1,
    generationId: facts.newId(),
  };
}

/** The same machine before anything is copied: each disk an empty layer on what the backup holds. */
export function standingOnBackup(
  settings: VmSettings,
  backup: { readonly repositoryId: string; readonly pointId: string },
  facts: Pick<Facts, 'newId'> & { readonly socketOf: (index: number) => string },
): VmSettings {
  const { pointId, repositoryId } = backup;
  return {
    ...settings,
    disks: settings.disks.map((disk, index) => ({
      ...disk,
      format: 'qcow2',
      path: `disks/${disk.name}.qcow2`,
      parents: [
        {
          id: facts.newId(),
          format: 'raw',
          path: facts.socketOf(index),
          shared: true,
          seal: null,
          point: { repositoryId, pointId, disk: disk.name },
        },
      ],
    })),
  };
}

/** Disks of the present that are in no backup, or are devices: their content stays, they are not plugged in any more. */
export function detachedDisks(present: VmSettings, restored: VmSettings): DiskSettings[] {
  return present.disks.filter(({ id }) => restored.disks.every((disk) => disk.id !== id));
}

/** Each in one file of its own, whatever chain it was made of. */
function restoredDisks(
  saved: VmSettings,
  disks: readonly SavedDisk[],
  facts: Pick<Facts, 'newId'>,
  pathOf: (disk: DiskSettings, layerId: string) => string,
): DiskSettings[] {
  const sizes = new Map(disks.map(({ name, sizeBytes }) => [name, sizeBytes]));
  return saved.disks
    .filter(({ name, passThrough }) => !passThrough && sizes.has(name))
    .map((disk) => {
      const layerId = facts.newId();
      return {
        ...disk,
        layerId,
        path: pathOf(disk, layerId),
        sizeBytes: sizes.get(disk.name)!,
        parents: [],
      };
    });
}

function machine(saved: VmSettings, disks: DiskSettings[]): VmSettings {
  const names = new Set(disks.map(({ name }) => `disk:${name}`));
  return {
    ...saved,
    disks,
    bootOrder: saved.bootOrder.filter((device) => !device.startsWith('disk:') || names.has(device)),
    image: saved.image && { ...saved.image, linked: false },
  };
}
