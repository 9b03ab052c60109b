import type { HandlersOf } from '../http/handler.ts';
import { byName, paginate } from '../http/page.ts';
import type { RepositoryService } from '../services.ts';
import { operationDocument } from './operation-document.ts';

export function repositoryHandlers(repositories: RepositoryService): HandlersOf<'repository'> {
  return {
    'repository.list': async ({ query }) => paginate(await repositories.list(), byName, query),
    'repository.show': ({ params }) => repositories.show(params.repository),
    'repository.statistics': ({ params, signal }) => repositories.statistics(params.repository, signal),
    'repository.prune-preview': ({ params, query, signal }) =>
      repositories.prunePreview(params.repository, query.applyRetention === 'true', signal),
    'repository.create': async ({ body, caller }) =>
      operationDocument(await repositories.create(body, caller)),
    'repository.connect': async ({ body, caller }) =>
      operationDocument(await repositories.connect(body, caller)),
    'repository.remove': async ({ caller, params }) =>
      operationDocument(await repositories.remove(params.repository, caller)),
    'repository.set': async ({ body, caller, params }) =>
      operationDocument(await repositories.set(params.repository, body, caller)),
    'repository.check': async ({ body, caller, params }) =>
      operationDocument(await repositories.check(params.repository, body.readData, caller)),
    'repository.prune': async ({ body, caller, params }) =>
      operationDocument(await repositories.prune(params.repository, body.applyRetention, caller)),
    'repository.repair': async ({ caller, params }) =>
      operationDocument(await repositories.repair(params.repository, caller)),
    'repository.copy': async ({ body, caller, params }) =>
      operationDocument(await repositories.copy(params.repository, body, caller)),
    'repository.key.list': async ({ params, query, signal }) =>
      paginate(await repositories.keys(params.repository, signal), byName, query),
    'repository.key.add': async ({ body, caller, params }) =>
      operationDocument(await repositories.addKey(params.repository, body, caller)),
    'repository.key.remove': async ({ caller, params }) =>
      operationDocument(await repositories.removeKey(params.repository, params.key, caller)),
    'repository.key.change': async ({ body, caller, params }) =>
      operationDocument(await repositories.changeKey(params.repository, body, caller)),
  };
}
