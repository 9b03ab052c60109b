/** The settings of a VM that looks into a disk: Corral's own system in memory, the disk of the backup, and nothing else. */
import type { VmSettings } from '@corral/api/schemas/vm-settings';

const MiB = 2 ** 20;

export interface HelperFacts {
  readonly newId: () => string;
  readonly now: string;
  readonly version: VmSettings['version'];
  readonly cmdline: string;
  readonly socketOf: (vmId: string, index: number) => string;
}

/** Pure. The disk's own layer takes what a journal needs to be replayed; the backup is never written. */
export function helperSettings(
  disk: { readonly name: string; readonly sizeBytes: number },
  backup: { readonly repositoryId: string; readonly pointId: string },
  facts: HelperFacts,
): VmSettings {
  const { cmdline, newId, now, socketOf, version } = facts;
  const id = newId();
  const { pointId, repositoryId } = backup;
  const point = { repositoryId, pointId, disk: disk.name };
  return {
    format: 'corral-vm/1',
    id,
    name: `files-${id.slice(0, 8)}`,
    createdAt: now,
    generation: 1,
    generationId: newId(),
    profile: 'micro',
    version,
    cpus: 1,
    memoryBytes: 256 * MiB,
    firmware: 'bios',
    secureBoot: false,
    tpm: false,
    bootOrder: [],
    kernel: { kernel: 'boot/vmlinuz', initrd: 'boot/initrd', cmdline },
    iso: null,
    seed: null,
    image: null,
    autostart: null,
    autostop: 'stop',
    disks: [
      {
        id: newId(),
        name: 'backup',
        bus: 'virtio',
        format: 'qcow2',
        layerId: newId(),
        path: 'disks/backup.qcow2',
        sizeBytes: disk.sizeBytes,
        parents: [{ id: newId(), format: 'raw', path: socketOf(id, 0), shared: true, seal: null, point }],
        slot: 0,
        passThrough: false,
      },
    ],
    ports: [],
  };
}
