/** What watches the daemon, and what describes it. */
import { openApiDocument } from '@corral/api/openapi';
import { allRoutes } from '@corral/api/routes';
import type { HandlersOf } from '../http/handler.ts';
import type { Metrics } from '../metrics.ts';

export interface DaemonIdentity {
  readonly name: string;
  readonly version: string;
}

export function serviceHandlers(identity: DaemonIdentity, metrics: Metrics): HandlersOf<'service'> {
  let openApi: string | null = null;
  return {
    'service.health': async () => ({ status: 'ok', ...identity, pid: process.pid }),
    'service.metrics': ({ signal }) => metrics.render(signal),
    'service.openapi': async () => {
      openApi ??= JSON.stringify(openApiDocument(allRoutes()));
      return { mediaType: 'application/json', text: openApi };
    },
  };
}
