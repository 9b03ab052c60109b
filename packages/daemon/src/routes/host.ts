import type { HandlersOf } from '../http/handler.ts';
import type { HostService } from '../services.ts';
import { operationDocument } from './operation-document.ts';

export function hostHandlers(host: HostService): HandlersOf<'host'> {
  return {
    'host.show': () => host.show(),
    'host.doctor': ({ signal }) => host.doctor(signal),
    'host.autostop': async ({ caller }) => operationDocument(await host.autostop(caller)),
  };
}
