import { defineErrors, error } from '@corral/core/errors';

export const operationErrors = defineErrors('operation', {
  'bad-definition': error<{ kind: string; detail: string }>(
    500,
    'An operation is defined wrongly',
    (p) =>
      `The operation "${p.kind}" is defined wrongly: ${p.detail}. This is a defect of Corral; please report it.`,
  ),
  'unknown-kind': error<{ kind: string }>(
    500,
    'Unknown kind of operation',
    (p) => `This version of Corral knows no operation "${p.kind}". Start the version that recorded it.`,
  ),
  'definition-changed': error<{ kind: string; recorded: number; known: number }>(
    500,
    'The operation was begun by another version',
    (p) =>
      `The operation "${p.kind}" was begun by a version of Corral that runs it in another way (form ${p.recorded}, here ${p.known}). Start that version again to let it finish.`,
  ),
  'not-found': error<{ id: string }>(
    404,
    'No such operation',
    (p) => `There is no operation ${p.id}, or its record was pruned. See "corral operation list".`,
  ),
  busy: error<{ target: string; operationId: string; title: string }>(
    409,
    'Another operation is at work',
    (p) =>
      `${p.target} is held by operation ${p.operationId} ("${p.title}"). Follow it with "corral operation follow ${p.operationId}" and try again when it has ended, or cancel it.`,
  ),
  'not-cancellable': error<{ id: string; title: string; reason: string }>(
    409,
    'The operation cannot be cancelled',
    (p) => `Operation ${p.id} ("${p.title}") cannot be cancelled: ${p.reason}.`,
  ),
  'not-stuck': error<{ id: string; state: string }>(
    409,
    'The operation is not stuck',
    (p) => `Operation ${p.id} is ${p.state}; only one that is stuck can be retried.`,
  ),
  stuck: error<{ id: string; title: string }>(
    500,
    'The operation is stuck',
    (p) =>
      `Operation ${p.id} ("${p.title}") can go neither forward nor back; its cause tells why. Remove the cause, then "corral operation retry ${p.id}".`,
  ),
  cancelled: error<{ id: string }>(
    409,
    'The operation was cancelled',
    (p) => `Operation ${p.id} was cancelled.`,
  ),
  interrupted: error<{ step: string }>(
    500,
    'The daemon stopped during the operation',
    (p) =>
      `The daemon stopped during the step "${p.step}". What had been done was taken back; start it again.`,
  ),
  stopping: error(
    503,
    'The daemon is stopping',
    () => 'The daemon is stopping; the operation goes on when it is up again.',
  ),
  'not-owner': error<{ id: string; owner: string }>(
    409,
    'The operation runs on another node',
    (p) =>
      `Operation ${p.id} belongs to ${p.owner}. Ask the daemon there, or adopt the operations of a node that is lost.`,
  ),
  'no-result': error<{ step: string }>(
    500,
    'A step asked for a result that is not there',
    (p) => `The step "${p.step}" has no result yet. This is a defect of Corral; please report it.`,
  ),
  'bad-result': error<{ step: string; detail: string }>(
    500,
    'The result of a step cannot be stored',
    (p) =>
      `The result of the step "${p.step}" cannot be stored: ${p.detail}. This is a defect of Corral; please report it.`,
  ),
  'bad-fault': error<{ text: string; detail: string }>(
    400,
    'Not a fault to inject',
    (p) =>
      `"${p.text}" is no fault: ${p.detail}. Write kind/step/phase=action, such as vm.create/make-disks/after-run=kill-daemon.`,
  ),
  injected: error<{ point: string }>(500, 'An injected fault', (p) => `A fault was injected at ${p.point}.`),
  unexpected: error<{ message: string }>(500, 'Unexpected error', (p) => p.message),
});
