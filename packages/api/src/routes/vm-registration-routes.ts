import { route } from '../route.ts';
import { VmExport } from '../schemas/export.ts';
import { Operation } from '../schemas/operation.ts';
import { RegistrationReport, VmRegister } from '../schemas/registration.ts';
import { VmParams } from './vm-routes.ts';

export const vmRegistrationRoutes = {
  'vm.export': route({
    id: 'vm.export',
    method: 'POST',
    path: '/v1/vms/{vm}/export',
    summary: 'Write a VM to a directory of the host, or what changed of it since a reference point',
    description: 'Names a directory of the host, so it is for administrators.',
    role: 'administrator',
    kind: 'operation',
    params: VmParams,
    body: VmExport,
    status: 202,
    response: Operation,
    errors: [
      'vm.not-found',
      'vm.illegal-state',
      'tracking.reference-not-found',
      'tracking.reference-exists',
      'tracking.being-restored',
      'guard.not-frozen',
      'operation.busy',
    ],
  }),
  'vm.register': route({
    id: 'vm.register',
    method: 'POST',
    path: '/v1/vms/register',
    summary: 'Register a VM from its files: an export, or a folder whose host is gone',
    description: 'Names a directory of the host, so it is for administrators.',
    role: 'administrator',
    kind: 'operation',
    body: VmRegister,
    status: 202,
    response: Operation,
    errors: [
      'vm.not-registrable',
      'vm.nothing-to-register',
      'vm.name-taken',
      'vm.settings-damaged',
      'operation.busy',
    ],
  }),
  'vm.registration.check': route({
    id: 'vm.registration.check',
    method: 'POST',
    path: '/v1/vms/register/check',
    summary: 'Report what of a VM does not fit this host, and change nothing',
    role: 'administrator',
    kind: 'json',
    body: VmRegister,
    status: 200,
    response: RegistrationReport,
    errors: ['vm.nothing-to-register', 'vm.settings-damaged'],
  }),
};
