import type { HandlersOf } from '../http/handler.ts';
import { byName, paginate } from '../http/page.ts';
import type { ImageService } from '../services.ts';
import { operationDocument } from './operation-document.ts';

export function imageHandlers(images: ImageService): HandlersOf<'image'> {
  return {
    'image.list': async ({ query }) => paginate(await images.list(), byName, query),
    'image.show': ({ params }) => images.show(params.image),
    'image.import': async ({ body, caller }) => operationDocument(await images.import(body, caller)),
    'image.build': async ({ body, caller }) => operationDocument(await images.build(body, caller)),
    'image.delete': async ({ caller, params }) =>
      operationDocument(await images.delete(params.image, caller)),
  };
}
