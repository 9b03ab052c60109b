import type { Event } from '@corral/api/schemas/event';
import type { HandlersOf, StreamMessage } from '../http/handler.ts';
import type { EventService } from '../services.ts';
import { numberOf } from './operation.ts';

export function eventHandlers(events: EventService): HandlersOf<'event'> {
  return {
    'event.list': async ({ query }) => {
      const { items, next } = await events.list(query);
      return { items: [...items], next };
    },
    'event.follow': async ({ lastEventId, query, signal }) => {
      const after = lastEventId === null ? query.after : numberOf(lastEventId);
      return messages(await events.follow({ ...query, after }, signal));
    },
  };
}

async function* messages(events: AsyncIterable<Event>): AsyncGenerator<StreamMessage<Event>> {
  for await (const event of events) yield { id: String(event.seq), event: 'event', data: event };
}
