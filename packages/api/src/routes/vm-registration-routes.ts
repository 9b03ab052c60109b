import { route } from '../route.ts';
import { Operation } from '../schemas/operation.ts';
import { RegistrationReport, VmRegister } from '../schemas/registration.ts';

export const vmRegistrationRoutes = {
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
