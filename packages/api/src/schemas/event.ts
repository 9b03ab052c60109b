/** What happened: the event log as the API shows it (docs/events.md). */
import { z } from 'zod';
import { Id, PageQuery, Timestamp } from './common.ts';

export const EventSeverity = z.enum(['info', 'warning', 'error']);

export const EventSubject = z.strictObject({
  kind: z.string().describe('vm, image, volume, repository, host, operation, token'),
  id: z.string(),
  name: z.string().describe('as it was called then'),
});

export const Event = z.strictObject({
  seq: z.int().min(1).describe('grows by one with each event of the log; follow goes on after it'),
  id: Id,
  name: z.string().describe('what kind of event this is, for people'),
  type: z.string().describe('stable id from docs/events.md: vm.started'),
  severity: EventSeverity,
  createdAt: Timestamp,
  subject: EventSubject,
  node: z.string().describe('whose daemon saw it'),
  message: z.string(),
  data: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string()), z.null()]))
    .describe('the values that the message is made of'),
});

const EventFilter = z.strictObject({
  subject: z.string().min(1).max(128).optional().describe('name or id of what it is about'),
  type: z.string().max(64).optional().describe('a type, or its beginning up to a dot: vm'),
  severity: EventSeverity.optional().describe('at least this one'),
});

export const EventListQuery = PageQuery.extend(EventFilter.shape).extend({
  order: z.enum(['oldest', 'newest']).default('newest').describe('which come first'),
});

export const EventFollowQuery = EventFilter.extend({
  after: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe(
      'seq that is known already; default: only what comes from now on. The header Last-Event-ID wins',
    ),
});

export type Event = z.infer<typeof Event>;
export type EventSeverity = z.infer<typeof EventSeverity>;
export type EventSubject = z.infer<typeof EventSubject>;
export type EventListQuery = z.infer<typeof EventListQuery>;
export type EventFollowQuery = z.infer<typeof EventFollowQuery>;
