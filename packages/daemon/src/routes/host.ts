import type { HandlersOf } from '../http/handler.ts';
import type { HostService } from '../services.ts';

export function hostHandlers(host: HostService): HandlersOf<'host'> {
  return {
    'host.show': () => host.show(),
    'host.doctor': ({ signal }) => host.doctor(signal),
  };
}
