/** Events from where nobody could do anything about one that cannot be kept. */
import { isCorralError } from '@corral/core/errors';
import type { EventLog } from '@corral/host/event-log';
import type { Logger } from '@corral/host/logger';
import type { EmitEvent } from '@corral/host/vm/vm-events';

/**
 * Keeps events, and logs those for which the store has no space: a full volume must not keep a daemon from starting,
 * nor a VM from being stopped.
 */
export function tellEvent(events: Pick<EventLog, 'append'>, log: Logger): EmitEvent {
  return async (type, subject, ...data) => {
    try {
      return await events.append(type, subject, ...data);
    } catch (cause) {
      if (!isCorralError(cause, 'store.full')) throw cause;
      log.error({ err: cause, event: type, subject, data: data[0] ?? {} }, 'an event could not be kept');
      return null;
    }
  };
}
