import type { HandlersOf } from '../http/handler.ts';
import { paginate } from '../http/page.ts';
import type { BackupService } from '../services.ts';
import { operationDocument } from './operation-document.ts';

export function backupHandlers(backups: BackupService): HandlersOf<'backup'> {
  return {
    'backup.run': async ({ body, caller, params }) =>
      operationDocument(await backups.run(params.vm, body, caller)),
    'backup.list': async ({ query, signal }) =>
      paginate(await backups.list(query, signal), ({ createdAt, id }) => `${createdAt}\0${id}`, query),
    'backup.show': ({ params, query, signal }) => backups.show(params.backup, query, signal),
    'backup.findings': ({ params, query, signal }) => backups.findings(params.backup, query, signal),
    'backup.delete': async ({ caller, params, query, signal }) =>
      operationDocument(await backups.delete(params.backup, query, caller, signal)),
  };
}
