/** How the host tells what happened: the event log's `append`, wired by the daemon. */
import type { EventArguments, EventSubject, EventType } from '@corral/core/events';
import type { VmRecord } from './vm-record.ts';

export type EmitEvent = <T extends EventType>(
  type: T,
  subject: EventSubject,
  ...data: EventArguments<T>
) => Promise<unknown>;

export function subject(record: VmRecord): EventSubject {
  return { kind: 'vm', id: record.settings.id, name: record.settings.name };
}
