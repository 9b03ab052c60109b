/** The ways to a VM's screen: a ticket first, with it one WebSocket. */
import { route } from '../route.ts';
import { Ticket, TicketCreate, TicketQuery } from '../schemas/ticket.ts';
import { VmParams } from './vm-routes.ts';

export const vmScreenRoutes = {
  'vm.ticket.create': route({
    id: 'vm.ticket.create',
    method: 'POST',
    path: '/v1/vms/{vm}/tickets',
    summary: 'Get a ticket for the console or the display of a VM',
    description: 'It opens one WebSocket, once, within 60 seconds, for this VM and this kind of access only.',
    role: 'operator',
    kind: 'json',
    params: VmParams,
    body: TicketCreate,
    status: 201,
    response: Ticket,
    errors: ['vm.not-found', 'vm.illegal-state'],
  }),
  'vm.console': route({
    id: 'vm.console',
    method: 'GET',
    path: '/v1/vms/{vm}/console',
    summary: 'Serial console of a VM as a WebSocket',
    description: 'Binary frames carry what the serial port says and hears.',
    role: 'operator',
    kind: 'websocket',
    params: VmParams,
    query: TicketQuery,
    status: 101,
    errors: ['vm.not-found', 'vm.illegal-state'],
  }),
  'vm.display': route({
    id: 'vm.display',
    method: 'GET',
    path: '/v1/vms/{vm}/display',
    summary: 'Graphical display of a VM (RFB, RFC 6143) as a WebSocket',
    description: 'Binary frames carry the RFB stream.',
    role: 'operator',
    kind: 'websocket',
    params: VmParams,
    query: TicketQuery,
    status: 101,
    errors: ['vm.not-found', 'vm.illegal-state'],
  }),
};
