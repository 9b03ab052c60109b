/** Every handler of the contract. One that is missing does not compile. */
import type { Handlers } from '../http/handler.ts';
import type { Tickets } from '../http/tickets.ts';
import type { Metrics } from '../metrics.ts';
import type { Services } from '../services.ts';
import type { Tokens } from '../tokens.ts';
import { backupHandlers } from './backup.ts';
import { backupPlanHandlers } from './backup-plan.ts';
import { changesHandlers } from './changes.ts';
import { checkpointHandlers } from './checkpoint.ts';
import { eventHandlers } from './event.ts';
import { guestHandlers } from './guest.ts';
import { hostHandlers } from './host.ts';
import { imageHandlers } from './image.ts';
import { operationHandlers } from './operation.ts';
import { referenceHandlers } from './reference.ts';
import { repositoryHandlers } from './repository.ts';
import { restoreHandlers } from './restore.ts';
import { screenHandlers } from './screen.ts';
import { type DaemonIdentity, serviceHandlers } from './service.ts';
import { tokenHandlers } from './token.ts';
import { trackingHandlers } from './tracking.ts';
import { vmHandlers } from './vm.ts';
import { vmRegistrationHandlers } from './vm-registration.ts';
import { volumeHandlers } from './volume.ts';

export interface HandlerOptions {
  readonly services: Services;
  readonly tokens: Tokens;
  readonly tickets: Tickets;
  readonly metrics: Metrics;
  readonly identity: DaemonIdentity;
}

export function allHandlers({ services, tokens, tickets, metrics, identity }: HandlerOptions): Handlers {
  return {
    ...hostHandlers(services.host),
    ...imageHandlers(services.images),
    ...volumeHandlers(services.volumes),
    ...repositoryHandlers(services.repositories),
    ...vmHandlers(services.vms),
    ...vmRegistrationHandlers(services.registrations, services.exports),
    ...checkpointHandlers(services.checkpoints),
    ...referenceHandlers(services.references),
    ...changesHandlers(services.changes),
    ...backupPlanHandlers(services.plans),
    ...trackingHandlers(services.tracking),
    ...backupHandlers(services.backups),
    ...restoreHandlers(services.restores),
    ...screenHandlers(services.screens, tickets),
    ...guestHandlers(services.guests),
    ...operationHandlers(services.operations),
    ...eventHandlers(services.events),
    ...tokenHandlers(tokens),
    ...serviceHandlers(identity, metrics),
  };
}
