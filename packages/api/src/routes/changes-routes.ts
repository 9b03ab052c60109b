import { route } from '../route.ts';
import { Id, NameOrId, PageQuery } from '../schemas/common.ts';
import { Operation } from '../schemas/operation.ts';
import {
  ChangedExtentPage,
  ChangedExtentQuery,
  Changes,
  ChangesOpen,
  ChangesPage,
} from '../schemas/reference.ts';
import { VmParams } from './vm-routes.ts';

const ChangesParams = VmParams.extend({ changes: Id });
const forkErrors = ['vm.not-found', 'vm.illegal-state', 'guard.not-frozen', 'operation.busy'] as const;

export const changesRoutes = {
  'changes.open': route({
    id: 'changes.open',
    method: 'POST',
    path: '/v1/vms/{vm}/changes',
    summary: 'Hold the disks still, as they are now, for a program that reads what changed',
    description:
      'Forks the disks, lists what changed since a reference point, and offers all disks of that instant over NBD, read-only, until they are closed or expire. The guest goes on.',
    role: 'operator',
    kind: 'operation',
    params: VmParams,
    body: ChangesOpen,
    status: 202,
    response: Operation,
    errors: [
      ...forkErrors,
      'tracking.being-restored',
      'tracking.reference-not-found',
      'tracking.reference-exists',
    ],
  }),
  'changes.list': route({
    id: 'changes.list',
    method: 'GET',
    path: '/v1/vms/{vm}/changes',
    summary: 'List what is held open',
    role: 'viewer',
    kind: 'json',
    params: VmParams,
    query: PageQuery,
    status: 200,
    response: ChangesPage,
    errors: ['vm.not-found'],
  }),
  'changes.show': route({
    id: 'changes.show',
    method: 'GET',
    path: '/v1/vms/{vm}/changes/{changes}',
    summary: 'Show what is held open, where it can be read, and until when',
    role: 'viewer',
    kind: 'json',
    params: ChangesParams,
    status: 200,
    response: Changes,
    errors: ['vm.not-found', 'tracking.changes-not-found'],
  }),
  'changes.extents': route({
    id: 'changes.extents',
    method: 'GET',
    path: '/v1/vms/{vm}/changes/{changes}/disks/{disk}/extents',
    summary: 'List the extents of a disk that changed, in order: never fewer than did',
    role: 'viewer',
    kind: 'json',
    params: ChangesParams.extend({ disk: NameOrId }),
    query: ChangedExtentQuery,
    status: 200,
    response: ChangedExtentPage,
    errors: ['vm.not-found', 'tracking.changes-not-found', 'vm.disk-not-found', 'tracking.extents-damaged'],
  }),
  'changes.close': route({
    id: 'changes.close',
    method: 'DELETE',
    path: '/v1/vms/{vm}/changes/{changes}',
    summary: 'Let go of what was held open; its layers are merged',
    role: 'operator',
    kind: 'operation',
    params: ChangesParams,
    status: 202,
    response: Operation,
    errors: ['vm.not-found', 'tracking.changes-not-found', 'operation.busy'],
  }),
};
