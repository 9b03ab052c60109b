import { route } from '../route.ts';
import { pageOf } from '../schemas/common.ts';
import { Event, EventFollowQuery, EventListQuery } from '../schemas/event.ts';

export const EventPage = pageOf(Event);

export const eventRoutes = {
  'event.list': route({
    id: 'event.list',
    method: 'GET',
    path: '/v1/events',
    summary: 'List events',
    role: 'viewer',
    kind: 'json',
    query: EventListQuery,
    status: 200,
    response: EventPage,
  }),
  'event.follow': route({
    id: 'event.follow',
    method: 'GET',
    path: '/v1/events/follow',
    summary: 'Follow events as they happen',
    description:
      'Each event "event" carries one event, its id is the seq. Send the last id back as Last-Event-ID to go on where the stream broke off; 410 says that what follows it is no longer kept.',
    role: 'viewer',
    kind: 'sse',
    query: EventFollowQuery,
    status: 200,
    response: Event,
    errors: ['api.history-gone'],
  }),
};
