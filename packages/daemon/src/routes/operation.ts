import { apiErrors } from '@corral/api/errors';
import type { Operation } from '@corral/api/schemas/operation';
import type { HandlersOf, StreamMessage } from '../http/handler.ts';
import type { OperationService } from '../services.ts';
import { operationDocument } from './operation-document.ts';

export function operationHandlers(operations: OperationService): HandlersOf<'operation'> {
  return {
    'operation.list': async ({ query: { after, limit, state, target } }) => {
      const page = await operations.list({ after, limit, state, target });
      return { items: page.items.map(operationDocument), next: page.next };
    },
    'operation.show': async ({ params }) => operationDocument(await operations.show(params.operation)),
    'operation.follow': async ({ lastEventId, params: { operation }, query, signal }) => {
      // It is looked for first, so that one that is not there is answered with a status.
      await operations.show(operation);
      const after = lastEventId === null ? (query.after ?? null) : numberOf(lastEventId);
      return messages(operations, operation, after, signal);
    },
    'operation.cancel': async ({ caller, params }) =>
      operationDocument(await operations.cancel(params.operation, caller)),
    'operation.retry': async ({ caller, params }) =>
      operationDocument(await operations.retry(params.operation, caller)),
  };
}

async function* messages(
  operations: OperationService,
  id: string,
  after: number | null,
  signal: AbortSignal,
): AsyncGenerator<StreamMessage<Operation>> {
  for await (const snapshot of operations.follow(id, after, signal)) {
    yield { id: String(snapshot.revision), event: 'operation', data: operationDocument(snapshot) };
  }
}

/** @throws api.invalid-request */
export function numberOf(lastEventId: string): number {
  if (/^\d{1,15}$/.test(lastEventId)) return Number(lastEventId);
  throw apiErrors['invalid-request']({ issues: [`Last-Event-ID: "${lastEventId}" is no id of this stream`] });
}
