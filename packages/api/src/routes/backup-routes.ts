import { z } from 'zod';
import { route } from '../route.ts';
import {
  Backup,
  BackupFindings,
  BackupListQuery,
  BackupPage,
  BackupQuery,
  BackupRun,
} from '../schemas/backup.ts';
import { NameOrId } from '../schemas/common.ts';
import { Operation } from '../schemas/operation.ts';
import { VmParams } from './vm-routes.ts';

const BackupParams = z.strictObject({ backup: NameOrId.describe('id, or name if no other has it') });

export const backupRoutes = {
  'backup.run': route({
    id: 'backup.run',
    method: 'POST',
    path: '/v1/vms/{vm}/backups',
    summary: 'Back up a VM, running or not',
    description:
      'The guest is frozen through its agent for milliseconds while its disks are forked; what changed since the last backup to the same repository is read from the still side while the guest goes on writing. Every backup is a full one to restore from.',
    role: 'operator',
    kind: 'operation',
    params: VmParams,
    body: BackupRun,
    status: 202,
    response: Operation,
    errors: [
      'vm.not-found',
      'vm.illegal-state',
      'repository.not-connected',
      'backup.pass-through',
      'tracking.being-restored',
      'guard.not-frozen',
      'operation.busy',
    ],
  }),
  'backup.list': route({
    id: 'backup.list',
    method: 'GET',
    path: '/v1/backups',
    summary: 'List backups, oldest first',
    role: 'viewer',
    kind: 'json',
    query: BackupListQuery,
    status: 200,
    response: BackupPage,
    errors: ['repository.not-connected'],
  }),
  'backup.show': route({
    id: 'backup.show',
    method: 'GET',
    path: '/v1/backups/{backup}',
    summary: 'Show a backup',
    role: 'viewer',
    kind: 'json',
    params: BackupParams,
    query: BackupQuery,
    status: 200,
    response: Backup,
    errors: ['backup.not-found', 'backup.not-found-anywhere', 'repository.not-connected'],
  }),
  'backup.findings': route({
    id: 'backup.findings',
    method: 'GET',
    path: '/v1/backups/{backup}/findings',
    summary: 'What tests of a backup found, with pictures of the display',
    role: 'viewer',
    kind: 'json',
    params: BackupParams,
    query: BackupQuery,
    status: 200,
    response: BackupFindings,
    errors: ['backup.not-found', 'backup.not-found-anywhere', 'repository.not-connected'],
  }),
  'backup.delete': route({
    id: 'backup.delete',
    method: 'DELETE',
    path: '/v1/backups/{backup}',
    summary: 'Delete a backup; a prune frees its space. Others keep all that they share with it',
    role: 'operator',
    kind: 'operation',
    params: BackupParams,
    query: BackupQuery,
    status: 202,
    response: Operation,
    errors: [
      'backup.not-found',
      'backup.not-found-anywhere',
      'repository.not-connected',
      'repository.locked',
      'repository.append-only',
      'operation.busy',
    ],
  }),
};
