import type { HandlersOf } from '../http/handler.ts';
import { byName, paginate } from '../http/page.ts';
import type { ReferenceService } from '../services.ts';
import { operationDocument } from './operation-document.ts';

export function referenceHandlers(references: ReferenceService): HandlersOf<'reference'> {
  return {
    'reference.list': async ({ params, query }) => paginate(await references.list(params.vm), byName, query),
    'reference.create': async ({ body, caller, params }) =>
      operationDocument(await references.create(params.vm, body, caller)),
    'reference.delete': async ({ caller, params }) =>
      operationDocument(await references.delete(params.vm, params.reference, caller)),
  };
}
