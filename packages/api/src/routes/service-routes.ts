/** What watches the daemon, and what describes it. */
import { route } from '../route.ts';
import { Health } from '../schemas/host.ts';

export const serviceRoutes = {
  'service.health': route({
    id: 'service.health',
    method: 'GET',
    path: '/healthz',
    summary: 'Whether the daemon answers',
    role: 'none',
    kind: 'json',
    status: 200,
    response: Health,
  }),
  'service.metrics': route({
    id: 'service.metrics',
    method: 'GET',
    path: '/metrics',
    summary: "Metrics in Prometheus' text format",
    role: 'viewer',
    kind: 'text',
    mediaType: 'text/plain',
    status: 200,
  }),
  'service.openapi': route({
    id: 'service.openapi',
    method: 'GET',
    path: '/openapi.json',
    summary: 'This description',
    role: 'none',
    kind: 'text',
    mediaType: 'application/json',
    status: 200,
  }),
};
