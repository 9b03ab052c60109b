import type { HandlersOf } from '../http/handler.ts';
import type { RestoreService } from '../services.ts';
import { operationDocument } from './operation-document.ts';

export function restoreHandlers(restores: RestoreService): HandlersOf<'restore'> {
  return {
    'restore.vm': async ({ body, caller, params, signal }) =>
      operationDocument(await restores.vm(params.backup, body, caller, signal)),
    'restore.in-place': async ({ body, caller, params, signal }) =>
      operationDocument(await restores.inPlace(params.backup, body, caller, signal)),
    'restore.disk': async ({ body, caller, params, signal }) =>
      operationDocument(await restores.disk(params.backup, body, caller, signal)),
    'restore.verify': async ({ body, caller, params, signal }) =>
      operationDocument(await restores.verify(params.backup, body, caller, signal)),
    'restore.list-files': async ({ body, caller, params, signal }) =>
      operationDocument(await restores.browse(params.backup, body, null, caller, signal)),
    'restore.get-file': async ({ body, caller, params, signal }) => {
      const { target, ...where } = body;
      return operationDocument(await restores.browse(params.backup, where, target, caller, signal));
    },
    'restore.files': async ({ body, caller, params, signal }) =>
      operationDocument(await restores.files(params.backup, body, caller, signal)),
  };
}
