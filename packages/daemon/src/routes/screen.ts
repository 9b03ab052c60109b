/** The console and the display of a VM: a ticket first, with it one WebSocket. */
import type { Duplex } from 'node:stream';
import { apiErrors } from '@corral/api/errors';
import type { TicketKind } from '@corral/api/schemas/ticket';
import type { HandlersOf } from '../http/handler.ts';
import { type Tickets, ticketLifetimeMs } from '../http/tickets.ts';
import type { ScreenService } from '../services.ts';

type ScreenHandlers = Pick<HandlersOf<'vm'>, 'vm.ticket.create' | 'vm.console' | 'vm.display'>;

export function screenHandlers(screens: ScreenService, tickets: Tickets): ScreenHandlers {
  return {
    'vm.ticket.create': async ({ body: { kind }, caller, params }) => {
      const vmId = await screens.check(params.vm, kind);
      const ticket = tickets.issue(vmId, kind, caller);
      const expiresAt = new Date(Date.now() + ticketLifetimeMs).toISOString();
      return { ticket, kind, path: `/v1/vms/${vmId}/${kind}?ticket=${ticket}`, expiresAt };
    },
    'vm.console': ({ params, query, signal }) =>
      open(screens, tickets, 'console', params.vm, query.ticket, signal),
    'vm.display': ({ params, query, signal }) =>
      open(screens, tickets, 'display', params.vm, query.ticket, signal),
  };
}

/** The ticket first: without one nobody learns which VMs there are. */
async function open(
  screens: ScreenService,
  tickets: Tickets,
  kind: TicketKind,
  vm: string,
  ticket: string,
  signal: AbortSignal,
): Promise<Duplex> {
  const { vmId } = tickets.redeem(ticket, kind);
  if ((await screens.check(vm, kind)) !== vmId) throw apiErrors['invalid-ticket']();
  return screens.open(vmId, kind, signal);
}
