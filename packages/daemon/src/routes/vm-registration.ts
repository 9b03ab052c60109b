import type { Handlers } from '../http/handler.ts';
import type { ExportService, RegistrationService } from '../services.ts';
import { operationDocument } from './operation-document.ts';

export function vmRegistrationHandlers(
  registrations: RegistrationService,
  exports: ExportService,
): Pick<Handlers, 'vm.export' | 'vm.register' | 'vm.registration.check'> {
  return {
    'vm.export': async ({ body, caller, params }) =>
      operationDocument(await exports.export(params.vm, body, caller)),
    'vm.register': async ({ body, caller }) => operationDocument(await registrations.register(body, caller)),
    'vm.registration.check': ({ body }) => registrations.check(body),
  };
}
