import { z } from 'zod';
import { route } from '../route.ts';
import { NameOrId, PageQuery, pageOf } from '../schemas/common.ts';
import { Operation } from '../schemas/operation.ts';
import { DiskResize, DiskSource } from '../schemas/vm.ts';
import { DiskSettings } from '../schemas/vm-settings.ts';
import { VmParams } from './vm-routes.ts';

export const DiskPage = pageOf(DiskSettings);

export const vmDiskRoutes = {
  'vm.disk.list': route({
    id: 'vm.disk.list',
    method: 'GET',
    path: '/v1/vms/{vm}/disks',
    summary: 'List the disks of a VM',
    role: 'viewer',
    kind: 'json',
    params: VmParams,
    query: PageQuery,
    status: 200,
    response: DiskPage,
    errors: ['vm.not-found'],
  }),
  'vm.disk.add': route({
    id: 'vm.disk.add',
    method: 'POST',
    path: '/v1/vms/{vm}/disks',
    summary: 'Make a disk and attach it, to a running VM too',
    role: 'operator',
    kind: 'operation',
    params: VmParams,
    body: DiskSource,
    status: 202,
    response: Operation,
    errors: [
      'vm.not-found',
      'vm.illegal-state',
      'vm.disk-exists',
      'vm.no-slot',
      'vm.bus-full',
      'vm.bad-disk',
      'api.host-path-forbidden',
      'operation.busy',
    ],
  }),
  'vm.disk.resize': route({
    id: 'vm.disk.resize',
    method: 'PATCH',
    path: '/v1/vms/{vm}/disks/{disk}',
    summary: 'Enlarge a disk; the guest of a running VM sees it at once',
    role: 'operator',
    kind: 'operation',
    params: VmParams.extend({ disk: NameOrId }),
    body: DiskResize,
    status: 202,
    response: Operation,
    errors: [
      'vm.not-found',
      'vm.illegal-state',
      'vm.disk-not-found',
      'vm.disk-shrinks',
      'vm.fixed-device',
      'operation.busy',
    ],
  }),
  'vm.disk.accept': route({
    id: 'vm.disk.accept',
    method: 'POST',
    path: '/v1/vms/{vm}/disks/{disk}/accept',
    summary: 'Take files of a disk that were changed from outside as they are',
    description:
      'Its reference points end, since what was changed in the files is not known: the next backup reads the whole disk.',
    role: 'administrator',
    kind: 'operation',
    params: VmParams.extend({ disk: NameOrId }),
    status: 202,
    response: Operation,
    errors: ['vm.not-found', 'vm.illegal-state', 'vm.disk-not-found', 'vm.fixed-device', 'operation.busy'],
  }),
  'vm.disk.remove': route({
    id: 'vm.disk.remove',
    method: 'DELETE',
    path: '/v1/vms/{vm}/disks/{disk}',
    summary: 'Detach a disk and delete it; a pass-through device stays as it is',
    role: 'operator',
    kind: 'operation',
    params: VmParams.extend({ disk: NameOrId }),
    query: z.strictObject({
      keep: z.enum(['true', 'false']).default('false').describe('keep the file beside the VM'),
    }),
    status: 202,
    response: Operation,
    errors: ['vm.not-found', 'vm.illegal-state', 'vm.disk-not-found', 'operation.busy'],
  }),
};
