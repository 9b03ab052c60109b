/** How the host tells what happened: the event log's `append`, wired by the daemon. */
import type { EventArguments, EventSubject, EventType } from '@corral/core/events';

export type EmitEvent = <T extends EventType>(
  type: T,
  subject: EventSubject,
  ...data: EventArguments<T>
) => Promise<unknown>;
