/**
 * Tickets for WebSockets, because a browser cannot send a token with an upgrade. A ticket opens one connection, once,
 * to one VM and one kind of access. Tickets live in memory: a restart of the daemon ends them, as their time would.
 */
import { randomBytes } from 'node:crypto';
import { apiErrors } from '@corral/api/errors';
import type { TicketKind } from '@corral/api/schemas/ticket';
import type { Caller } from '../services.ts';

export const ticketLifetimeMs = 60_000;

/** More than people open at once; past it the oldest are forgotten. */
const maxTickets = 10_000;

interface Ticket {
  readonly vmId: string;
  readonly kind: TicketKind;
  readonly caller: Caller;
  /** On the monotonic clock. */
  readonly endsAt: number;
}

export class Tickets {
  readonly #tickets = new Map<string, Ticket>();
  readonly #now: () => number;

  /** @param now monotonic, in ms */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  issue(vmId: string, kind: TicketKind, caller: Caller): string {
    this.#forgetOld();
    const ticket = randomBytes(32).toString('base64url');
    this.#tickets.set(ticket, { vmId, kind, caller, endsAt: this.#now() + ticketLifetimeMs });
    return ticket;
  }

  /**
   * Uses a ticket up, also when it turns out to be for something else.
   *
   * @throws api.invalid-ticket
   */
  redeem(ticket: string, kind: TicketKind): { readonly vmId: string; readonly caller: Caller } {
    const found = this.#tickets.get(ticket);
    this.#tickets.delete(ticket);
    if (!found || found.kind !== kind || found.endsAt <= this.#now()) throw apiErrors['invalid-ticket']();
    return found;
  }

  /** They all live equally long, so the map's order is that of their ends. */
  #forgetOld(): void {
    const now = this.#now();
    for (const [ticket, { endsAt }] of this.#tickets) {
      if (endsAt > now && this.#tickets.size < maxTickets) return;
      this.#tickets.delete(ticket);
    }
  }
}
