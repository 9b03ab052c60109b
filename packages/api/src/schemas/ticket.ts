/** A ticket opens one WebSocket, once: a browser cannot send a token with an upgrade. */
import { z } from 'zod';
import { Timestamp } from './common.ts';

export const TicketKind = z.enum(['console', 'display']).describe('serial console, or VNC');

export const TicketCreate = z.strictObject({ kind: TicketKind });

export const Ticket = z.strictObject({
  ticket: z.string(),
  kind: TicketKind,
  path: z.string().describe('of the WebSocket, the ticket in its query'),
  expiresAt: Timestamp,
});

export const TicketQuery = z.strictObject({
  ticket: z.string().min(1).max(128),
});

export type Ticket = z.infer<typeof Ticket>;
export type TicketKind = z.infer<typeof TicketKind>;
