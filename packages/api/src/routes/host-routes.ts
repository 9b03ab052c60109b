import { route } from '../route.ts';
import { DoctorReport, Host } from '../schemas/host.ts';
import { Operation } from '../schemas/operation.ts';

export const hostRoutes = {
  'host.show': route({
    id: 'host.show',
    method: 'GET',
    path: '/v1/host',
    summary: 'Show the host',
    role: 'viewer',
    kind: 'json',
    status: 200,
    response: Host,
  }),
  'host.doctor': route({
    id: 'host.doctor',
    method: 'GET',
    path: '/v1/host/doctor',
    summary: 'Check the host against what is known to break such systems',
    role: 'viewer',
    kind: 'json',
    status: 200,
    response: DoctorReport,
    errors: ['core.timeout'],
  }),
  'host.autostop': route({
    id: 'host.autostop',
    method: 'POST',
    path: '/v1/host/autostop',
    summary: 'End every VM as its setting says, because the host shuts down',
    role: 'administrator',
    kind: 'operation',
    status: 202,
    response: Operation,
    errors: ['operation.busy'],
  }),
};
