/**
 * What differs between kinds of volumes. Now there is one, a folder on any mounted file system; how iSCSI, LVM and RBD
 * will fit is written in docs/design/0007-volumes.md. Rules (who may, what is kept free) stand above it.
 */
import type { VolumeCapabilities } from '@corral/api/schemas/volume';
import type { OwnerFile } from './owner-file.ts';

export interface VolumeFacts {
  /** As the kernel calls it: ext4, xfs, btrfs, nfs4. */
  readonly fileSystem: string;
  readonly capabilities: VolumeCapabilities;
}

export interface VolumeSpace {
  readonly totalBytes: number;
  /** What an unprivileged process can still write. */
  readonly freeBytes: number;
}

export interface VolumeDriver {
  readonly kind: 'directory';
  /**
   * The root as it will be recorded: without symbolic links.
   *
   * @param walkable VMs run as users of their own, who must be able to walk through
   * @throws volume.bad-root
   */
  resolveRoot(path: string, walkable: boolean): Promise<string>;
  /** Finds out by trying what works there, and leaves nothing behind. @throws volume.bad-root */
  probe(root: string, writer: string): Promise<VolumeFacts>;
  /** @returns null when there is none. @throws volume.owner-file */
  readOwner(root: string): Promise<OwnerFile | null>;
  /**
   * @param expected what was read before; null for the first of a volume
   * @throws volume.changed when another host was faster
   */
  writeOwner(root: string, next: OwnerFile, expected: OwnerFile | null, writer: string): Promise<void>;
  /** Removes what a probe or a write of this host left that was cut off. Repeatable. */
  cleanUp(root: string, writer: string): Promise<void>;
  /** Repeatable. */
  deleteOwner(root: string): Promise<void>;
  space(root: string): Promise<VolumeSpace>;
}
