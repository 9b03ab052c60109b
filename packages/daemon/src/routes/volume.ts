import type { HandlersOf } from '../http/handler.ts';
import { byName, paginate } from '../http/page.ts';
import type { VolumeService } from '../services.ts';
import { operationDocument } from './operation-document.ts';

export function volumeHandlers(volumes: VolumeService): HandlersOf<'volume'> {
  return {
    'volume.list': async ({ query }) => paginate(await volumes.list(), byName, query),
    'volume.show': ({ params }) => volumes.show(params.volume),
    'volume.add': async ({ body, caller }) => operationDocument(await volumes.add(body, caller)),
    'volume.update': async ({ body, caller, params }) =>
      operationDocument(await volumes.update(params.volume, body, caller)),
    'volume.remove': async ({ caller, params }) =>
      operationDocument(await volumes.remove(params.volume, caller)),
    'volume.release': async ({ caller, params }) =>
      operationDocument(await volumes.release(params.volume, caller)),
    'volume.seize': async ({ body, caller, params }) =>
      operationDocument(await volumes.seize(params.volume, body, caller)),
    'volume.check': ({ params, query, signal }) => volumes.check(params.volume, query.vm, signal),
  };
}
