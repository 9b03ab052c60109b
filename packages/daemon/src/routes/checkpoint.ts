import type { HandlersOf } from '../http/handler.ts';
import { paginate } from '../http/page.ts';
import type { CheckpointService } from '../services.ts';
import { operationDocument } from './operation-document.ts';

export function checkpointHandlers(checkpoints: CheckpointService): HandlersOf<'checkpoint'> {
  return {
    'checkpoint.list': async ({ params, query }) => {
      const { items, present } = await checkpoints.list(params.vm);
      return { ...paginate(items, ({ createdAt, id }) => `${createdAt} ${id}`, query), present };
    },
    'checkpoint.show': ({ params }) => checkpoints.show(params.vm, params.checkpoint),
    'checkpoint.create': async ({ body, caller, params }) =>
      operationDocument(await checkpoints.create(params.vm, body, caller)),
    'checkpoint.apply': async ({ body, caller, params }) =>
      operationDocument(await checkpoints.apply(params.vm, params.checkpoint, body, caller)),
    'checkpoint.rename': async ({ body, caller, params }) =>
      operationDocument(await checkpoints.rename(params.vm, params.checkpoint, body.name, caller)),
    'checkpoint.delete': async ({ caller, params, query }) => {
      const options = { subtree: query.subtree === 'true' };
      return operationDocument(await checkpoints.delete(params.vm, params.checkpoint, options, caller));
    },
    'checkpoint.export': async ({ body, caller, params }) =>
      operationDocument(await checkpoints.export(params.vm, params.checkpoint, body, caller)),
  };
}
