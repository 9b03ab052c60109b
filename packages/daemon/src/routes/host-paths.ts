/**
 * Files and devices of the host that a request names. The daemon reads them as root, so whoever names one reads what
 * root may read: only an administrator may (mission M15 will delegate single files).
 */
import { apiErrors } from '@corral/api/errors';
import type { DiskSource, VmCreate, VmPatch } from '@corral/api/schemas/vm';
import type { Caller } from '../services.ts';

/** @throws api.host-path-forbidden, which names the fields */
export function refuseHostPaths(fields: readonly string[], { role }: Caller): void {
  if (role === 'administrator' || fields.length === 0) return;
  throw apiErrors['host-path-forbidden']({ fields, role });
}

/** Names of the fields that hold a path of the host. */
export function hostPathsOf(vm: VmCreate | VmPatch): string[] {
  const disks = 'disks' in vm ? vm.disks : [];
  return [
    ...(vm.iso ? ['iso'] : []),
    ...(vm.kernel ? ['kernel'] : []),
    ...disks.flatMap((disk, index) => hostPathsOfDisk(disk).map((field) => `disks.${index}.${field}`)),
  ];
}

export function hostPathsOfDisk(disk: DiskSource): string[] {
  return [...(disk.from === undefined ? [] : ['from']), ...(disk.device === undefined ? [] : ['device'])];
}
