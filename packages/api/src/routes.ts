/** The contract: every route there is. An operation with no entry here does not exist (invariant 6). */
import type { Route } from './route.ts';
import { backupPlanRoutes } from './routes/backup-plan-routes.ts';
import { backupRoutes } from './routes/backup-routes.ts';
import { changesRoutes } from './routes/changes-routes.ts';
import { checkpointRoutes } from './routes/checkpoint-routes.ts';
import { eventRoutes } from './routes/event-routes.ts';
import { guestRoutes } from './routes/guest-routes.ts';
import { hostRoutes } from './routes/host-routes.ts';
import { imageRoutes } from './routes/image-routes.ts';
import { operationRoutes } from './routes/operation-routes.ts';
import { referenceRoutes } from './routes/reference-routes.ts';
import { repositoryRoutes } from './routes/repository-routes.ts';
import { restoreRoutes } from './routes/restore-routes.ts';
import { serviceRoutes } from './routes/service-routes.ts';
import { tokenRoutes } from './routes/token-routes.ts';
import { trackingRoutes } from './routes/tracking-routes.ts';
import { vmDiskRoutes } from './routes/vm-disk-routes.ts';
import { vmPortRoutes } from './routes/vm-port-routes.ts';
import { vmRegistrationRoutes } from './routes/vm-registration-routes.ts';
import { vmRoutes } from './routes/vm-routes.ts';
import { vmScreenRoutes } from './routes/vm-screen-routes.ts';
import { volumeRoutes } from './routes/volume-routes.ts';

export const routes = {
  ...hostRoutes,
  ...imageRoutes,
  ...volumeRoutes,
  ...repositoryRoutes,
  ...vmRoutes,
  ...vmDiskRoutes,
  ...vmPortRoutes,
  ...vmScreenRoutes,
  ...vmRegistrationRoutes,
  ...checkpointRoutes,
  ...referenceRoutes,
  ...changesRoutes,
  ...backupRoutes,
  ...backupPlanRoutes,
  ...trackingRoutes,
  ...restoreRoutes,
  ...guestRoutes,
  ...operationRoutes,
  ...eventRoutes,
  ...tokenRoutes,
  ...serviceRoutes,
} satisfies Record<string, Route>;

export type Routes = typeof routes;
export type RouteId = keyof Routes;

export function allRoutes(): readonly Route[] {
  return Object.values(routes);
}
