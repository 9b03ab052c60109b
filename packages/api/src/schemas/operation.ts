/** A durable operation as the API shows it (docs/architecture.md, invariant 2). */
import { operationStates, stepStates } from '@corral/core/operation-states';
import { z } from 'zod';
import { Id, PageQuery, Timestamp } from './common.ts';
import { Problem } from './problem.ts';

export const OperationState = z.enum(operationStates);

export const OperationStep = z.strictObject({
  name: z.string(),
  state: z.enum(stepStates),
  attempts: z.int().min(0),
});

export const OperationProgress = z.strictObject({
  done: z.number(),
  total: z.number().nullable().describe('null while nobody can know it'),
  unit: z.enum(['bytes', 'steps', 'percent', 'items']),
  message: z.string(),
});

export const Operation = z.strictObject({
  id: Id,
  name: z.string().describe('one line for people: "Create VM web1"'),
  kind: z.string().describe('resource and verb: vm.create'),
  state: OperationState,
  targets: z.array(z.string()).describe('the resources it locks, or locked: vm/ID'),
  node: z.string().describe('whose daemon runs it'),
  requestedBy: z.string().nullable(),
  createdAt: Timestamp,
  startedAt: Timestamp.nullable(),
  finishedAt: Timestamp.nullable(),
  steps: z.array(OperationStep),
  progress: OperationProgress.nullable(),
  cancellable: z.boolean().describe('whether a cancel would be accepted now'),
  error: Problem.nullable().describe('why it failed, is being undone or is stuck'),
  undoError: Problem.nullable().describe('what went wrong while it was undone'),
  output: z.unknown().describe('what it gives back when it has succeeded; depends on its kind'),
  revision: z.int().min(0).describe('of this state; follow goes on after it'),
});

export const OperationListQuery = PageQuery.extend({
  state: OperationState.optional(),
  target: z.string().max(128).optional().describe('vm/ID: only those that lock it'),
});

export const OperationFollowQuery = z.strictObject({
  after: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe('revision that is known already; the header Last-Event-ID wins'),
});

export type Operation = z.infer<typeof Operation>;
export type OperationState = z.infer<typeof OperationState>;
export type OperationListQuery = z.infer<typeof OperationListQuery>;
