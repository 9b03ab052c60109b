import { z } from 'zod';
import { route } from '../route.ts';
import { Id, pageOf } from '../schemas/common.ts';
import { Operation, OperationFollowQuery, OperationListQuery } from '../schemas/operation.ts';

const params = z.strictObject({ operation: Id });

export const OperationPage = pageOf(Operation);

export const operationRoutes = {
  'operation.list': route({
    id: 'operation.list',
    method: 'GET',
    path: '/v1/operations',
    summary: 'List operations, newest first',
    role: 'viewer',
    kind: 'json',
    query: OperationListQuery,
    status: 200,
    response: OperationPage,
  }),
  'operation.show': route({
    id: 'operation.show',
    method: 'GET',
    path: '/v1/operations/{operation}',
    summary: 'Show an operation',
    role: 'viewer',
    kind: 'json',
    params,
    status: 200,
    response: Operation,
    errors: ['operation.not-found'],
  }),
  'operation.follow': route({
    id: 'operation.follow',
    method: 'GET',
    path: '/v1/operations/{operation}/follow',
    summary: 'Follow an operation to its end',
    description:
      'Each event "operation" carries the whole operation, its id is the revision. The stream ends when the operation has ended. Send the last id back as Last-Event-ID to go on.',
    role: 'viewer',
    kind: 'sse',
    params,
    query: OperationFollowQuery,
    status: 200,
    response: Operation,
    errors: ['operation.not-found'],
  }),
  'operation.cancel': route({
    id: 'operation.cancel',
    method: 'POST',
    path: '/v1/operations/{operation}/cancel',
    summary: 'Cancel an operation: what it did is undone',
    role: 'operator',
    kind: 'operation',
    params,
    status: 202,
    response: Operation,
    errors: ['operation.not-found', 'operation.not-cancellable', 'operation.not-owner'],
  }),
  'operation.retry': route({
    id: 'operation.retry',
    method: 'POST',
    path: '/v1/operations/{operation}/retry',
    summary: 'Try again what an operation is stuck in',
    role: 'operator',
    kind: 'operation',
    params,
    status: 202,
    response: Operation,
    errors: ['operation.not-found', 'operation.not-stuck', 'operation.not-owner'],
  }),
};
