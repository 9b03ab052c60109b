import type { Handlers } from '../http/handler.ts';
import type { RegistrationService } from '../services.ts';
import { operationDocument } from './operation-document.ts';

export function vmRegistrationHandlers(
  registrations: RegistrationService,
): Pick<Handlers, 'vm.register' | 'vm.registration.check'> {
  return {
    'vm.register': async ({ body, caller }) => operationDocument(await registrations.register(body, caller)),
    'vm.registration.check': ({ body }) => registrations.check(body),
  };
}
