import { z } from 'zod';
import { route } from '../route.ts';
import { NameOrId, PageQuery, pageOf } from '../schemas/common.ts';
import { Operation } from '../schemas/operation.ts';
import { Vm, VmClone, VmCreate, VmPatch, VmShutdown } from '../schemas/vm.ts';

export const VmParams = z.strictObject({ vm: NameOrId });
export const VmPage = pageOf(Vm);

/** An action on a VM that takes no more than its name: POST /v1/vms/{vm}/VERB. */
function action<const Verb extends string>(verb: Verb, summary: string) {
  return route({
    id: `vm.${verb}`,
    method: 'POST',
    path: `/v1/vms/{vm}/${verb}`,
    summary,
    role: 'operator',
    kind: 'operation',
    params: VmParams,
    status: 202,
    response: Operation,
    errors: ['vm.not-found', 'vm.illegal-state', 'operation.busy'],
  });
}

export const vmRoutes = {
  'vm.list': route({
    id: 'vm.list',
    method: 'GET',
    path: '/v1/vms',
    summary: 'List the VMs, by name',
    role: 'viewer',
    kind: 'json',
    query: PageQuery,
    status: 200,
    response: VmPage,
  }),
  'vm.show': route({
    id: 'vm.show',
    method: 'GET',
    path: '/v1/vms/{vm}',
    summary: 'Show a VM',
    role: 'viewer',
    kind: 'json',
    params: VmParams,
    status: 200,
    response: Vm,
    etag: 'returned',
    errors: ['vm.not-found'],
  }),
  'vm.create': route({
    id: 'vm.create',
    method: 'POST',
    path: '/v1/vms',
    summary: 'Create a VM',
    description:
      'Files and devices of the host (kernel, iso, disks from a path, pass-through devices) may be named by an administrator only.',
    role: 'operator',
    kind: 'operation',
    body: VmCreate,
    status: 202,
    response: Operation,
    errors: [
      'vm.name-taken',
      'vm.file-missing',
      'vm.needs-uefi',
      'image.not-found',
      'api.host-path-forbidden',
      'operation.busy',
    ],
  }),
  'vm.update': route({
    id: 'vm.update',
    method: 'PATCH',
    path: '/v1/vms/{vm}',
    summary: 'Change settings of a VM, its name among them',
    description:
      'A merge patch (RFC 7396): what is absent stays, null takes away. What a running VM cannot take up at once holds from its next start and is listed in pendingRestart.',
    role: 'operator',
    kind: 'operation',
    params: VmParams,
    body: VmPatch,
    mediaType: 'application/merge-patch+json',
    status: 202,
    response: Operation,
    etag: 'required',
    errors: [
      'vm.not-found',
      'vm.name-taken',
      'vm.illegal-state',
      'vm.changed',
      'vm.file-missing',
      'vm.needs-uefi',
      'api.host-path-forbidden',
      'operation.busy',
    ],
  }),
  'vm.delete': route({
    id: 'vm.delete',
    method: 'DELETE',
    path: '/v1/vms/{vm}',
    summary: 'Delete a VM and its disks',
    role: 'operator',
    kind: 'operation',
    params: VmParams,
    status: 202,
    response: Operation,
    etag: 'required',
    errors: ['vm.not-found', 'vm.illegal-state', 'vm.changed', 'operation.busy'],
  }),
  'vm.clone': route({
    id: 'vm.clone',
    method: 'POST',
    path: '/v1/vms/{vm}/clone',
    summary: 'Make a new VM like this one, with ids and addresses of its own',
    role: 'operator',
    kind: 'operation',
    params: VmParams,
    body: VmClone,
    status: 202,
    response: Operation,
    errors: ['vm.not-found', 'vm.name-taken', 'vm.illegal-state', 'operation.busy'],
  }),
  'vm.start': action('start', 'Start a VM, or bring a saved one back'),
  'vm.shutdown': route({
    id: 'vm.shutdown',
    method: 'POST',
    path: '/v1/vms/{vm}/shutdown',
    summary: 'Shut a VM down through its guest',
    role: 'operator',
    kind: 'operation',
    params: VmParams,
    body: VmShutdown,
    status: 202,
    response: Operation,
    errors: ['vm.not-found', 'vm.illegal-state', 'operation.busy'],
  }),
  'vm.stop': action('stop', 'Turn a VM off at once'),
  'vm.pause': action('pause', 'Halt the processors of a VM'),
  'vm.resume': action('resume', 'Let a paused VM run on'),
  'vm.save': action('save', 'Write the memory of a VM to disk and end its process'),
  'vm.discard-saved': action('discard-saved', 'Throw away the saved memory; the VM is then off'),
  'vm.reset': action('reset', 'Reset a VM as its reset button would'),
};
