import { z } from 'zod';
import { route } from '../route.ts';
import { NameOrId } from '../schemas/common.ts';
import { Operation } from '../schemas/operation.ts';
import {
  BackupGetFile,
  BackupListFiles,
  BackupVerify,
  RestoreDisk,
  RestoreFiles,
  RestoreInPlace,
  RestoreVm,
} from '../schemas/restore.ts';

const params = z.strictObject({ backup: NameOrId.describe('id, or name if no other has it') });

const common = [
  'backup.not-found',
  'backup.not-found-anywhere',
  'repository.not-connected',
  'operation.busy',
] as const;

export const restoreRoutes = {
  'restore.vm': route({
    id: 'restore.vm',
    method: 'POST',
    path: '/v1/backups/{backup}/restore',
    summary: 'Restore a backup as a new VM',
    description:
      'It keeps the id and the network addresses that it had if no VM of this host has them, and gets new ones otherwise.',
    role: 'operator',
    kind: 'operation',
    params,
    body: RestoreVm,
    status: 202,
    response: Operation,
    errors: [...common, 'restore.no-settings', 'vm.name-taken', 'volume.not-found'],
  }),
  'restore.in-place': route({
    id: 'restore.in-place',
    method: 'POST',
    path: '/v1/backups/{backup}/restore-in-place',
    summary: 'Make a VM that is off what it was when it was backed up',
    description:
      'What its disks hold now is lost, except for what checkpoints keep. The old disks stay until the new ones are whole.',
    role: 'operator',
    kind: 'operation',
    params,
    body: RestoreInPlace,
    status: 202,
    response: Operation,
    errors: [...common, 'restore.not-confirmed', 'restore.other-vm', 'vm.illegal-state'],
  }),
  'restore.disk': route({
    id: 'restore.disk',
    method: 'POST',
    path: '/v1/backups/{backup}/restore-disk',
    summary: 'Restore one disk of a backup as another disk of a VM, running or not',
    role: 'operator',
    kind: 'operation',
    params,
    body: RestoreDisk,
    status: 202,
    response: Operation,
    errors: [...common, 'restore.no-such-disk', 'vm.not-found', 'vm.illegal-state', 'vm.disk-exists'],
  }),
  'restore.verify': route({
    id: 'restore.verify',
    method: 'POST',
    path: '/v1/backups/{backup}/verify',
    summary: 'Prove a backup by running it, without a network',
    description:
      'A temporary VM runs from the backup until its agent answers, or a text is on its console. The finding and a picture of its display are kept beside the backup.',
    role: 'operator',
    kind: 'operation',
    params,
    body: BackupVerify,
    status: 202,
    response: Operation,
    errors: [...common, 'restore.no-settings'],
  }),
  'restore.list-files': route({
    id: 'restore.list-files',
    method: 'POST',
    path: '/v1/backups/{backup}/list-files',
    summary: 'List a folder of a file system in a backup',
    description:
      'A helper VM without a network reads the disk; nothing foreign is mounted on the host. ext4, XFS, FAT and NTFS. The entries are in the output of the operation.',
    role: 'operator',
    kind: 'operation',
    params,
    body: BackupListFiles,
    status: 202,
    response: Operation,
    errors: [...common, 'restore.no-such-disk'],
  }),
  'restore.get-file': route({
    id: 'restore.get-file',
    method: 'POST',
    path: '/v1/backups/{backup}/get-file',
    summary: 'Take a file out of a file system in a backup',
    description: 'Names a file of the host, so it is for administrators.',
    role: 'administrator',
    kind: 'operation',
    params,
    body: BackupGetFile,
    status: 202,
    response: Operation,
    errors: [...common, 'restore.no-such-disk', 'restore.exists'],
  }),
  'restore.files': route({
    id: 'restore.files',
    method: 'POST',
    path: '/v1/backups/{backup}/restore-files',
    summary: 'Restore disks of a backup to a directory of the host',
    description: 'Names a directory of the host, so it is for administrators.',
    role: 'administrator',
    kind: 'operation',
    params,
    body: RestoreFiles,
    status: 202,
    response: Operation,
    errors: [...common, 'restore.no-such-disk', 'restore.exists'],
  }),
};
