import { route } from '../route.ts';
import { NameOrId, PageQuery } from '../schemas/common.ts';
import { Operation } from '../schemas/operation.ts';
import { ReferenceCreate, ReferencePage } from '../schemas/reference.ts';
import { VmParams } from './vm-routes.ts';

const forkErrors = ['vm.not-found', 'vm.illegal-state', 'guard.not-frozen', 'operation.busy'] as const;

export const referenceRoutes = {
  'reference.list': route({
    id: 'reference.list',
    method: 'GET',
    path: '/v1/vms/{vm}/references',
    summary: 'List the reference points of a VM',
    role: 'viewer',
    kind: 'json',
    params: VmParams,
    query: PageQuery,
    status: 200,
    response: ReferencePage,
    errors: ['vm.not-found'],
  }),
  'reference.create': route({
    id: 'reference.create',
    method: 'POST',
    path: '/v1/vms/{vm}/references',
    summary: 'Create a reference point: from now on it is known what changes since',
    role: 'operator',
    kind: 'operation',
    params: VmParams,
    body: ReferenceCreate,
    status: 202,
    response: Operation,
    errors: [...forkErrors, 'tracking.reference-exists'],
  }),
  'reference.delete': route({
    id: 'reference.delete',
    method: 'DELETE',
    path: '/v1/vms/{vm}/references/{reference}',
    summary: 'Delete a reference point',
    role: 'operator',
    kind: 'operation',
    params: VmParams.extend({ reference: NameOrId }),
    status: 202,
    response: Operation,
    errors: ['vm.not-found', 'tracking.reference-not-found', 'operation.busy'],
  }),
};
