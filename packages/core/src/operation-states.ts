/** What an operation and its steps can be in: one table for the engine, the contract and the command line. */
export const operationStates = [
  'pending',
  'running',
  'cancelling',
  'undoing',
  'succeeded',
  'failed',
  'cancelled',
  'stuck',
] as const;

export type OperationState = (typeof operationStates)[number];

export const stepStates = ['waiting', 'running', 'done', 'undoing', 'undone'] as const;

export type StepState = (typeof stepStates)[number];
