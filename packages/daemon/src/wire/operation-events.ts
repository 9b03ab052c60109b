/** What the engine tells of an operation goes into the metrics and, when it went wrong, into the events. */
import type { EventLog } from '@corral/host/event-log';
import type { Logger } from '@corral/host/logger';
import { finalStates, type OperationSnapshot } from '@corral/operation/operation';
import type { Metrics } from '../metrics.ts';
import type { ActiveOperations } from './active-operations.ts';

export interface OperationListeners {
  readonly active: ActiveOperations;
  readonly metrics: Metrics;
  readonly events: EventLog;
  readonly log: Logger;
}

export function onOperationChange(listeners: OperationListeners, operation: OperationSnapshot): void {
  const { active, metrics, events, log } = listeners;
  active.note(operation);
  const { state, kind, id, title } = operation;
  const result =
    finalStates.has(state) || state === 'stuck'
      ? (state as 'succeeded' | 'failed' | 'cancelled' | 'stuck')
      : null;
  if (result === null) return;
  metrics.operationFinished(kind, result);
  log.info({ operation: id, kind, result, err: operation.error?.message }, title);
  if (result !== 'failed' && result !== 'stuck') return;
  const reason = (operation.undoError ?? operation.error)?.message ?? 'unknown';
  const subject = { kind: 'operation', id, name: title } as const;
  events.append(`operation.${result}`, subject, { kind, reason }).catch((cause: unknown) => {
    log.error({ err: cause, operation: id }, 'an event could not be recorded');
  });
}
