import { route } from '../route.ts';
import { NameOrId, PageQuery, pageOf } from '../schemas/common.ts';
import { Operation } from '../schemas/operation.ts';
import { PortSource } from '../schemas/vm.ts';
import { PortSettings } from '../schemas/vm-settings.ts';
import { VmParams } from './vm-routes.ts';

export const PortPage = pageOf(PortSettings);

export const vmPortRoutes = {
  'vm.port.list': route({
    id: 'vm.port.list',
    method: 'GET',
    path: '/v1/vms/{vm}/ports',
    summary: 'List the network ports of a VM',
    role: 'viewer',
    kind: 'json',
    params: VmParams,
    query: PageQuery,
    status: 200,
    response: PortPage,
    errors: ['vm.not-found'],
  }),
  'vm.port.add': route({
    id: 'vm.port.add',
    method: 'POST',
    path: '/v1/vms/{vm}/ports',
    summary: 'Add a network port, to a running VM too',
    role: 'operator',
    kind: 'operation',
    params: VmParams,
    body: PortSource,
    status: 202,
    response: Operation,
    errors: ['vm.not-found', 'vm.illegal-state', 'vm.port-exists', 'vm.no-slot', 'operation.busy'],
  }),
  'vm.port.remove': route({
    id: 'vm.port.remove',
    method: 'DELETE',
    path: '/v1/vms/{vm}/ports/{port}',
    summary: 'Remove a network port',
    role: 'operator',
    kind: 'operation',
    params: VmParams.extend({ port: NameOrId }),
    status: 202,
    response: Operation,
    errors: ['vm.not-found', 'vm.illegal-state', 'vm.port-not-found', 'operation.busy'],
  }),
};
